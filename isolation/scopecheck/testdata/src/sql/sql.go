package sql

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/partywall/partywall/isolation"
)

// embedded would have its text by go:embed.
var embedded string

const columns = "id, item"

type DBTX interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

type search struct{ logs []string }

func (search) Query(ctx context.Context, text string) {}

func Bad(ctx context.Context, db *isolation.DB, std *sql.DB, tx pgx.Tx, q DBTX, b *pgx.Batch, name string) {
	db.Query(ctx, "SELECT * FROM orders WHERE item = '"+name+"'") // want `SQL put together from values can be injected into`
	std.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s", name))     // want `SQL put together`
	tx.Query(ctx, "SELECT "+name)                                 // want `SQL put together`
	q.Query(ctx, "SELECT "+name)                                  // want `SQL put together`
	b.Queue("SELECT " + name)                                     // want `SQL put together`
	text := "SELECT 1"
	text += " ORDER BY " + name // want `SQL put together`
	db.Exec(ctx, text)
	run(ctx, db, "SELECT "+name) // want `SQL put together`
}

func run(ctx context.Context, db *isolation.DB, text string) { db.Exec(ctx, text) }

func Good(ctx context.Context, db *isolation.DB, s search, name string, n int, desc bool) {
	db.Query(ctx, "SELECT "+columns+" FROM orders WHERE item = $1", name)
	db.Query(ctx, name)
	db.Query(ctx, "SELECT * FROM "+pgx.Identifier{name}.Sanitize())
	db.Query(ctx, "SELECT * FROM "+quoted(name)+" LIMIT "+strconv.Itoa(n))
	db.Query(ctx, fmt.Sprintf("SELECT %s FROM orders LIMIT %d", columns, n))
	order := "ASC"
	if desc {
		order = "DESC"
	}
	db.Query(ctx, "SELECT * FROM orders ORDER BY id "+order)
	for _, table := range []string{"orders", "items"} {
		db.Exec(ctx, "ANALYZE "+table)
	}
	holders := make([]string, n)
	for i := range holders {
		holders[i] = "$" + strconv.Itoa(i+1)
	}
	db.Exec(ctx, "INSERT INTO orders VALUES ("+strings.Join(holders, ", ")+")")
	db.Exec(ctx, embedded+" LIMIT 1")
	for _, p := range []part{{"a", 1}, {"b", 2}} {
		db.Exec(ctx, "ANALYZE "+p.name)
	}
	s.Query(ctx, "title:"+name)
}

type part struct {
	name string
	n    int
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
