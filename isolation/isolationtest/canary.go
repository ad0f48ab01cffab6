package isolationtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
)

// shortest is how short a canary may be: a shorter one may stand somewhere by
// chance.
const shortest = 8

// canary is a text that only one tenant's data has.
type canary struct {
	text     string
	spelled  []string // as it may be written, in lower case
	verbatim []string // as it may be encoded, where case matters
}

// mint makes up a canary.
func mint() string { return "canary" + strings.ToLower(rand.Text()[:16]) }

// newCanary prepares the ways in which an answer may hold a text.
func newCanary(text string) canary {
	c := canary{text: text, verbatim: base64s(text)}
	spellings := []string{text, html.EscapeString(text), url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text))}
	if quoted, err := json.Marshal(text); err == nil {
		spellings = append(spellings, strings.Trim(string(quoted), `"`))
	}
	for _, s := range spellings {
		c.spelled = append(c.spelled, strings.ToLower(s))
	}
	return c
}

// base64s are what a text looks like within something longer that is encoded:
// it depends on where the text begins, and both ends mix with what is beside.
func base64s(text string) []string {
	var out []string
	for offset := range 3 {
		padded := append(make([]byte, offset), text...)
		first := []int{0, 2, 3}[offset]
		last := len(padded) / 3 * 4
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if whole := encoding.EncodeToString(padded); last-first >= shortest {
				out = append(out, whole[first:last])
			}
		}
	}
	return out
}

// in reports whether a place holds the canary.
func (c canary) in(text string) bool {
	for _, s := range c.verbatim {
		if strings.Contains(text, s) {
			return true
		}
	}
	text = strings.ToLower(text)
	for _, s := range c.spelled {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
