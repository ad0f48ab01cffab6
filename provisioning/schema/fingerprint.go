package schema

import (
	"context"
	"crypto/sha256"
	_ "embed" // the query
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
)

//go:embed fingerprint.sql
var fingerprintSQL string

// shape is what a place consists of: what PostgreSQL has to say of each table,
// column, constraint, index, policy, trigger, function, type and grant in it.
// Places of any name that are alike have the same shape.
type shape map[string]string

// shapeOf reads the shape of a place, on a connection of the migrator's.
func (m *Migrations) shapeOf(ctx context.Context, conn *pgx.Conn, to isolation.Target) (shape, error) {
	if _, err := conn.Exec(ctx, `SET search_path = `+pgx.Identifier{to.Schema}.Sanitize()); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, fingerprintSQL, to.Schema, m.opts.Table)
	if err != nil {
		return nil, err
	}
	s := shape{}
	var object, words string
	_, err = pgx.ForEachRow(rows, []any{&object, &words}, func() error {
		s[object] = words
		return nil
	})
	return s, err
}

// fingerprint tells shapes apart.
func (s shape) fingerprint() string {
	h := sha256.New()
	for _, object := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(h, "%q %q\n", object, s[object])
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Difference is one thing in which a place is not like the others.
type Difference struct {
	// Object is what it is about, such as "column orders.note".
	Object string
	// Here is what PostgreSQL says of it in the place, empty if it is missing;
	// Others is what it says in the others, empty if it is not there.
	Here, Others string
}

// String is for people.
func (d Difference) String() string {
	switch {
	case d.Here == "":
		return d.Object + " is missing; others have: " + d.Others
	case d.Others == "":
		return d.Object + " is there, and not in others: " + d.Here
	}
	return d.Object + " is: " + d.Here + "; in others: " + d.Others
}

// diff returns in what s is not like the others.
func (s shape) diff(others shape) []Difference {
	var list []Difference
	all := maps.Clone(s)
	maps.Copy(all, others)
	for _, object := range slices.Sorted(maps.Keys(all)) {
		if s[object] != others[object] {
			list = append(list, Difference{Object: object, Here: s[object], Others: others[object]})
		}
	}
	return list
}
