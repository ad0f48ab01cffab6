package isolationtest

import (
	"context"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/partywall/partywall/isolation/prove"
)

// oracles asks for what the other has and for what nobody has: whoever can tell
// the answers apart knows what exists.
func (d *driver) oracles(ctx context.Context, me, other *party) error {
	for _, e := range d.safe() {
		if err := d.oracle(ctx, e, me, other); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) oracle(ctx context.Context, e deed, me, other *party) error {
	names := e.parameters(me.IDs)
	theirs, nobodys, noones := maps.Clone(me.IDs), maps.Clone(me.IDs), maps.Clone(me.IDs)
	for _, name := range names {
		theirs[name], nobodys[name], noones[name] = other.IDs[name], like(other.IDs[name]), like(other.IDs[name])
	}
	if maps.Equal(theirs, me.IDs) {
		return nil // the two call their things alike, so there is nothing to ask for
	}
	var got [3]answer
	var said [3]string
	for i, ids := range []map[string]string{theirs, nobodys, noones} {
		a, err := d.try(ctx, e, me, other, mix{"with identifiers of " + other.Name + " or of nobody", ids}, disguise{})
		if err != nil {
			return err
		}
		got[i], said[i] = a, without(a.body(), ids, names)
	}
	_, own := me.shows(got[0]) // what is called so is the tenant's own as well
	if _, leak := other.shows(got[0]); leak || own {
		return nil
	}
	stable := got[1].status == got[2].status && said[1] == said[2]
	switch {
	case got[0].status != got[1].status && got[1].status == got[2].status:
		d.find(prove.Warning, "oracle", e, "tenant %s is told %q of what is %s's and %q of what is nobody's, and so knows what exists",
			me.Name, got[0].status, other.Name, got[1].status)
	case stable && said[0] != said[1]:
		d.find(prove.Warning, "oracle", e, "tenant %s is answered otherwise when something is %s's than when it is nobody's, and so knows what exists", me.Name, other.Name)
	}
	return nil
}

// without takes the identifiers that were asked for out of an answer, which may
// well repeat them.
func without(text string, ids map[string]string, names []string) string {
	for _, name := range names {
		if ids[name] != "" {
			text = strings.ReplaceAll(text, ids[name], "{"+name+"}")
		}
	}
	return text
}

// like makes up an identifier that looks like another, character by character.
// A small number becomes a large one, which is less likely to exist.
func like(id string) string {
	if _, err := strconv.ParseUint(id, 10, 32); err == nil && len(id) < 9 {
		id = "100000000"
	}
	var out strings.Builder
	for i, c := range id {
		out.WriteRune(similar(i, c, len(id) == uuidLength))
	}
	return out.String()
}

// uuidLength is the length of a UUID as people write it, whose version and
// variant stand at versionAt and variantAt.
const (
	uuidLength = 36
	versionAt  = 14
	variantAt  = 19
)

// similar draws a character of the same kind: hexadecimal digits stay such. The
// first digit stays, so that a number keeps its range, and what says which kind
// of UUID it is.
func similar(at int, c rune, uuid bool) rune {
	if uuid && (at == versionAt || at == variantAt) || at == 0 && c >= '0' && c <= '9' {
		return c
	}
	for _, kind := range []string{"0123456789", "abcdef", "ABCDEF", "ghijklmnopqrstuvwxyz", "GHIJKLMNOPQRSTUVWXYZ"} {
		if strings.ContainsRune(kind, c) {
			return rune(kind[rand.IntN(len(kind))]) //nolint:gosec // G404: it is no secret
		}
	}
	return c
}
