package prove

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed uniques.sql
var uniquesSQL string

// unique is a key of a table behind the wall that can answer whether somebody
// has a value: PostgreSQL looks for duplicates past the policies.
type unique struct {
	Path, Name  string
	Object      string // the index, as the session would write it
	Expressions []string
	Where       string // what is true of the rows in it, or ""
	Same        string // says of two rows' k1, k2, … that they are one key
	Arbiter     string // the key, as ON CONFLICT names it
}

// id names the key, the same in every session.
func (u unique) id() string { return u.Path + " " + u.Name }

// and limits a query to rows that are in the key.
func (u unique) and() string {
	if u.Where == "" {
		return ""
	}
	return " AND " + u.Where
}

// values are the key's, of the rows in it, as k1, k2, ….
func (u unique) values(from string) string {
	columns := make([]string, len(u.Expressions))
	for i, e := range u.Expressions {
		columns[i] = fmt.Sprintf("%s AS k%d", e, i+1)
	}
	return "(SELECT " + strings.Join(columns, ", ") + " FROM " + from + " WHERE true" + u.and() + ")"
}

// duplicate tries to write the other's row as one's own. A key that has the
// tenant in it knows nothing of the other's; one that has not says no, where
// all that the tenant can see says yes.
func (p prober) duplicate(ctx context.Context, tx pgx.Tx, tables []target, u unique, known loot) error {
	row, learnt := known[u.id()]
	t, ok := at(tables, u.Path)
	if !learnt || !ok {
		return nil
	}
	if free, err := p.free(ctx, tx, t, u, row); err != nil || !free {
		return err
	}
	insert := t.insert(t.copied("$1", nil))
	_, refused, err := attempt(ctx, tx, insert, row, t.key(p.me)) //scopecheck:allow names as the catalogue quotes them
	if err != nil || refused == nil {
		return err
	}
	told := refused.Code[:2] == "23" && refused.ConstraintName == u.Name
	if !told {
		// Something else has said no first. A conflict is looked for before that.
		tag, refused, err := attempt(ctx, tx, insert+` ON CONFLICT `+u.Arbiter+` DO NOTHING`, row, t.key(p.me)) //scopecheck:allow as above
		if err != nil {
			return err
		}
		told = refused == nil && tag.RowsAffected() == 0
	}
	if !told {
		return nil
	}
	return p.told(ctx, tx, "probe-unique", u.Object,
		fmt.Sprintf("tenant %s is told by %s of table %s what tenant %s has", p.me.Slug, u.Object, t.Name, p.other.Slug), "key-without-tenant")
}

// free reports whether no row that the tenant can see is in the way of another
// one with the key's values.
func (p prober) free(ctx context.Context, tx pgx.Tx, t target, u unique, row string) (bool, error) {
	sql := `SELECT FROM ` + u.values(t.Path) + ` AS mine, ` + u.values(`(`+t.copied("$1", nil)+`) AS copy`) + ` AS theirs WHERE ` + u.Same + ` LIMIT 1`
	tag, refused, err := attempt(ctx, tx, sql, row, t.key(p.me)) //scopecheck:allow names as the catalogue quotes them
	return refused == nil && tag.RowsAffected() == 0, err
}
