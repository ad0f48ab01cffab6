package hostname

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Unicode returns a host's name as people read it, with its A-labels decoded. A
// label that could pass for another one stays as it is: one that mixes scripts,
// but for those that are written together (the level "highly restrictive" of UTS
// 39, section 5.2, without its Latin), and one of Cyrillic or Greek that has no
// letter which Latin lacks. What it returns is for eyes only: compare and store
// the name itself.
func Unicode(host string) string {
	if !strings.Contains(host, "xn--") {
		return host
	}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if !strings.HasPrefix(label, "xn--") {
			continue
		}
		shown, err := idna.Display.ToUnicode(label)
		if err != nil || !distinct(shown) {
			continue
		}
		if back, err := idna.Lookup.ToASCII(shown); err == nil && back == label {
			labels[i] = shown
		}
	}
	return strings.Join(labels, ".")
}

// lookalikes are the letters that some Latin letter looks like; the same ones as
// in Chromium's IDN policy, in lower case, with Greek's.
const lookalikes = "асԁеһіјӏорԗԛѕԝхуъьҽпгѵѡкмтв" + "αβικνρυωηοτγϲχ"

// distinct reports whether a label cannot pass for one of another script.
func distinct(label string) bool {
	used, distinct := map[string]bool{}, false
	for _, r := range label {
		if r < unicode.MaxASCII && !unicode.IsLetter(r) {
			continue // digits and hyphens go with every script
		}
		name := script(r)
		if name == "" {
			return false
		}
		used[name] = used[name] || name != "Common"
		if !strings.ContainsRune(lookalikes, r) {
			distinct = true
		}
	}
	if (used["Cyrillic"] || used["Greek"]) && !distinct {
		return false
	}
	delete(used, "Common")
	return len(used) <= 1 || together(used)
}

// together reports whether scripts are those that one language is written in.
func together(used map[string]bool) bool {
	for _, language := range [][]string{{"Han", "Hiragana", "Katakana"}, {"Han", "Bopomofo"}, {"Han", "Hangul"}} {
		rest := len(used)
		for _, name := range language {
			if used[name] {
				rest--
			}
		}
		if rest == 0 {
			return true
		}
	}
	return false
}

// script returns the script of a letter: of those in wide use (UAX 31, table 5)
// and no other. What all scripts share is "Common".
func script(r rune) string {
	for _, name := range []string{
		"Latin", "Cyrillic", "Greek", "Han", "Hiragana", "Katakana", "Hangul", "Arabic", "Hebrew", "Devanagari", "Thai", "Bengali", "Tamil",
		"Telugu", "Georgian", "Armenian", "Bopomofo", "Ethiopic", "Gujarati", "Gurmukhi", "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar",
		"Oriya", "Sinhala", "Thaana", "Tibetan",
	} {
		if unicode.Is(unicode.Scripts[name], r) {
			return name
		}
	}
	if r == 'ー' || r == '々' { // of no script, and in every Japanese name
		return "Common"
	}
	return ""
}
