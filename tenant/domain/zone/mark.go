package zone

import (
	"slices"
	"strings"

	"github.com/libdns/libdns"
)

// markPrefix begins the first label of a mark's name: _partywall-owns-a.www marks
// the A records of www. An asterisk becomes the label _any: some providers take it
// in front alone.
const (
	markPrefix = "_partywall-owns-"
	anyLabel   = "_any"
)

// mark is the TXT record that says that a set is the owner's.
func (z *Zone) mark(of key) libdns.Record {
	name := markPrefix + strings.ToLower(of.kind)
	switch rest, wild := strings.CutPrefix(of.name, "*"); {
	case wild:
		name += "." + anyLabel + rest
	case of.name != "@":
		name += "." + of.name
	}
	return libdns.TXT{Name: name, Text: z.owns()}
}

func (z *Zone) owns() string { return "partywall owner=" + z.owner }

// marks reports whether a set is the owner's mark, and of what. One with another
// owner's name beside is nobody's: it marks nothing.
func (z *Zone) marks(k key, data []string) (key, bool) {
	rest, ok := strings.CutPrefix(k.name, markPrefix)
	if !ok || k.kind != "TXT" || slices.ContainsFunc(data, func(text string) bool { return strings.Trim(text, `"`) != z.owns() }) {
		return key{}, false
	}
	kind, name, _ := strings.Cut(rest, ".")
	switch below, wild := strings.CutPrefix(name, anyLabel); {
	case wild && (below == "" || below[0] == '.'):
		name = "*" + below
	case name == "":
		name = "@"
	}
	return key{name, strings.ToUpper(kind)}, true
}
