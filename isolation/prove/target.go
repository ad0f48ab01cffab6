package prove

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

//go:embed targets.sql
var targetsSQL string

// tableSQL lists the targets themselves. What is generated cannot be written.
const tableSQL = `
SELECT t.name, t.path, t.tenant_column, t.uuid, array_agg(quote_ident(a.attname) ORDER BY a.attnum),
       array_agg(quote_ident(a.attname) ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '')
  FROM targets t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY 1, 2, 3, 4 ORDER BY 1`

// target is a table behind the wall.
type target struct {
	Name     string // as the session would write it
	Path     string // with its schema: the same in every session
	Column   string // the tenant's
	UUID     bool
	Columns  []string
	Writable []string
}

// key is what t's rows of a tenant's carry.
func (t target) key(who tenant.Tenant) any {
	if t.UUID {
		return who.ID
	}
	return who.Number
}

// parse makes the text of a row, as a parameter, the row itself.
func parse(param, path string) string { return "(SELECT (" + param + "::text::" + path + ").*)" }

// copied is the row whose text is the parameter given, as a row of the tenant
// $2's. What else is to be changed in it is in change, by column.
func (t target) copied(param string, change map[string]string) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		value := "theirs." + c
		switch changed, ok := change[c]; {
		case c == t.Column && t.UUID:
			value = "$2::uuid"
		case c == t.Column:
			value = "$2::bigint"
		case ok:
			value = changed
		}
		columns[i] = value + " AS " + c
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + parse(param, t.Path) + " AS theirs"
}

// insert writes the rows of a query that has all columns. A number that the
// table would give by itself is written too.
func (t target) insert(rows string) string {
	columns := strings.Join(t.Writable, ", ")
	return "INSERT INTO " + t.Path + " (" + columns + ") OVERRIDING SYSTEM VALUE SELECT " + columns + " FROM (" + rows + ") AS copy"
}

// at finds the target of a path. There is none when its table has been made
// since the others were listed.
func at(tables []target, path string) (target, bool) {
	i := slices.IndexFunc(tables, func(t target) bool { return t.Path == path })
	if i < 0 {
		return target{}, false
	}
	return tables[i], true
}

// table tries every way into one table.
func (p prober) table(ctx context.Context, tx pgx.Tx, t target) error {
	me, other := t.key(p.me), t.key(p.other)
	for _, try := range []struct {
		code, does, sql string
		arg             any
		checked         bool // the policy looks at it before any constraint does
	}{
		{"probe-read", "reads others' rows of", `SELECT FROM ` + t.Name + ` WHERE ` + t.Column + ` <> $1 LIMIT 1`, me, false},    //scopecheck:allow names as the catalogue quotes them
		{"probe-delete", "deletes others' rows of", `DELETE FROM ` + t.Name + ` WHERE ` + t.Column + ` <> $1`, me, false},        //scopecheck:allow names as the catalogue quotes them
		{"probe-move", "gives its rows away in", `UPDATE ` + t.Name + ` SET ` + t.Column + ` = $1`, other, true},                 //scopecheck:allow names as the catalogue quotes them
		{"probe-write", "writes in another's name to", `INSERT INTO ` + t.Name + ` (` + t.Column + `) VALUES ($1)`, other, true}, //scopecheck:allow names as the catalogue quotes them
	} {
		tag, refused, err := attempt(ctx, tx, try.sql, try.arg)
		if err != nil {
			return err
		}
		// A constraint that complains has let the row past the policy.
		if tag.RowsAffected() > 0 || try.checked && refused != nil && refused.Code[:2] == "23" {
			p.found(Breach, try.code, t.Name, fmt.Sprintf("tenant %s %s table %s", p.me.Slug, try.does, t.Name),
				fmt.Sprintf("SELECT partywall.protect(%s)", literal(t.Name)))
		}
	}
	return nil
}
