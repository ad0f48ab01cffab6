package prove

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed references.sql
var referencesSQL string

// reference is a foreign key from one table behind the wall to another: it is
// checked past the policies. Its columns are those besides the tenant's.
type reference struct {
	Object   string // its table and name, as the session would write them
	From, To string // the tables' paths
	Key      string // the name of the key that it refers to
	Columns  []string
	Refers   []string // the columns of the other table, in the same order
	Nobody   []string // for each of them a value that nobody has, or ""
}

// refer tries to refer to a row of the other's, and to one that nobody has.
// That the first goes where the second does not tells that there is such a row;
// where both go, nothing enforces the key.
func (p prober) refer(ctx context.Context, tx pgx.Tx, tables []target, r reference, uniques []unique, known loot) error {
	i := slices.IndexFunc(uniques, func(u unique) bool { return u.Path == r.To && u.Name == r.Key })
	nobody := slices.IndexFunc(r.Nobody, func(value string) bool { return value != "" })
	from, ok := at(tables, r.From)
	to, there := at(tables, r.To)
	if i < 0 || nobody < 0 || !ok || !there {
		return nil
	}
	row, learnt := known[uniques[i].id()]
	if !learnt {
		return nil
	}
	if free, err := p.free(ctx, tx, to, uniques[i], row); err != nil || !free {
		return err
	}
	theirs := make([]string, len(r.Refers))
	for i, c := range r.Refers {
		theirs[i] = "up." + c
	}
	nobodys := slices.Clone(theirs)
	nobodys[nobody] = r.Nobody[nobody]
	for _, way := range []way{p.update(r), p.insert(r, from, known)} {
		goes, err := way.goes(ctx, tx, row, theirs)
		if err != nil {
			return err
		}
		always, err := way.goes(ctx, tx, row, nobodys)
		if err != nil {
			return err
		}
		if goes && !always {
			return p.told(ctx, tx, "probe-foreign-key", r.Object,
				fmt.Sprintf("tenant %s refers by %s to a row of tenant %s, and so is told that it is there", p.me.Slug, r.Object, p.other.Slug),
				"foreign-key-without-tenant")
		}
	}
	return nil
}

// way is a statement that refers to the row $1 by the values given.
type way struct {
	sql  func(values []string) string
	args []any // from $2 on
}

// goes reports whether the database lets it go.
func (w way) goes(ctx context.Context, tx pgx.Tx, row string, values []string) (bool, error) {
	tag, refused, err := attempt(ctx, tx, w.sql(values), append([]any{row}, w.args...)...) //scopecheck:allow names as the catalogue quotes them
	return refused == nil && tag.RowsAffected() > 0, err
}

// update turns a row of one's own to the other's.
func (prober) update(r reference) way {
	return way{sql: func(values []string) string {
		return `UPDATE ` + r.From + ` SET (` + strings.Join(r.Columns, ", ") + `) = (SELECT ` + strings.Join(values, ", ") +
			` FROM ` + parse("$1", r.To) + ` AS up) WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM ` + r.From + ` LIMIT 1)`
	}}
}

// insert writes a row like the other's or, where it has none either, one of
// nothing but the reference.
func (p prober) insert(r reference, t target, known loot) way {
	var like any
	if row, ok := known[unique{Path: r.From}.id()]; ok {
		like = row
	} else {
		t.Writable = append([]string{t.Column}, r.Columns...)
	}
	return way{args: []any{t.key(p.me), like}, sql: func(values []string) string {
		change := map[string]string{}
		for i, c := range r.Columns {
			change[c] = values[i]
		}
		return t.insert(t.copied("$3", change) + `, ` + parse("$1", r.To) + ` AS up`)
	}}
}
