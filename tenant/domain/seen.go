package domain

import (
	"strings"
	"unicode"
)

// Bounds of what is kept of answers from outside.
const (
	maxSeen     = 8
	maxSeenText = 300
)

// printable is what was seen, cut short, without what terminals and databases
// stumble over. It is never nil.
func printable(seen []string) []string {
	kept := make([]string, 0, min(len(seen), maxSeen))
	for _, text := range seen[:min(len(seen), maxSeen)] {
		text = strings.ToValidUTF8(text[:min(len(text), maxSeenText)], "\uFFFD")
		kept = append(kept, strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return unicode.ReplacementChar
		}, text))
	}
	return kept
}
