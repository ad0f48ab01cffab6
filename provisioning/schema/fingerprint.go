package schema

import (
	"context"
	"crypto/sha256"
	_ "embed" // the queries
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed fingerprint.sql
	fingerprintSQL string
	//go:embed directory.sql
	directorySQL string
	//go:embed contents.sql
	contentsSQL string
)

// shape is what a place consists of: what PostgreSQL has to say of each table,
// column, constraint, index, policy, trigger, function, type and grant in it.
// Places of any name that are alike have the same shape.
type shape map[string]string

// contents are the relations, functions and types of a schema.
type contents struct{ relations, functions, types []uint32 }

// directory lists what is in each schema of a database. PostgreSQL has no index
// for that question; asked for each of ten thousand schemas, it would read all of
// its catalogues ten thousand times.
func directory(ctx context.Context, conn *pgx.Conn) (map[string]contents, error) {
	rows, err := conn.Query(ctx, directorySQL)
	if err != nil {
		return nil, err
	}
	list := map[string]contents{}
	for rows.Next() {
		var schema string
		var c contents // a new one: its slices are kept
		if err := rows.Scan(&schema, &c.relations, &c.functions, &c.types); err != nil {
			rows.Close()
			return nil, err
		}
		list[schema] = c
	}
	return list, rows.Err()
}

// contentsOf lists what is in one schema.
func contentsOf(ctx context.Context, conn *pgx.Conn, schema string) (c contents, err error) {
	err = conn.QueryRow(ctx, contentsSQL, schema).Scan(&c.relations, &c.functions, &c.types)
	return c, err
}

// shapeOf reads the shape of a place, on a connection of the migrator's, whose
// search_path it changes.
func (m *Migrations) shapeOf(ctx context.Context, conn *pgx.Conn, schema string, c contents) (shape, error) {
	if _, err := conn.Exec(ctx, `SET search_path = `+pgx.Identifier{schema}.Sanitize()); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, fingerprintSQL, schema, m.opts.Table, c.relations, c.functions, c.types)
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
