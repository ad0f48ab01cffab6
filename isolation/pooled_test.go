package isolation_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/isolation"
)

func pgError(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg
	}
	return nil
}

// pool opens the house through PgBouncer in transaction mode.
func (h *house) pool() {
	s := h.servers["eu-1"]
	s.Pooled, s.App = true, h.data.Pooled(pooledRole)
	h.servers["eu-1"] = s
}

// modes are the ways a host may open its servers.
func modes() map[string]func(*house) {
	mode := func(m pgx.QueryExecMode, pooled bool) func(*house) {
		return func(h *house) {
			h.opts.ExecMode = m
			if pooled {
				h.pool()
			}
		}
	}
	return map[string]func(*house){
		"cache statement":        mode(pgx.QueryExecModeCacheStatement, false),
		"cache describe":         mode(pgx.QueryExecModeCacheDescribe, false),
		"exec":                   mode(pgx.QueryExecModeExec, false),
		"pooled, cache describe": mode(pgx.QueryExecModeCacheDescribe, true),
		"pooled, exec":           mode(pgx.QueryExecModeExec, true),
		"hostile":                func(h *house) { h.opts.Hostile = true },
		"one connection":         func(h *house) { s := h.servers["eu-1"]; s.MaxConns = 1; h.servers["eu-1"] = s },
		"few statements":         func(h *house) { h.opts.Statements = 2 },
	}
}

// TestTenantsRaceInEveryMode lets all tenants work at once, on fewer
// connections than there are workers.
func TestTenantsRaceInEveryMode(t *testing.T) {
	t.Parallel()
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, mode)
			visits := 60
			if h.servers["eu-1"].MaxConns == 1 {
				visits = 15 // each of another database begins with a new connection
			}
			var workers sync.WaitGroup
			for w := range 8 {
				workers.Go(func() {
					for n := range visits {
						slug := slugs()[rand.IntN(len(slugs()))]
						if err := h.visit(t, slug, 1000*(w+1)+n); err != nil {
							t.Errorf("%s: %v", slug, err)
							return
						}
					}
				})
			}
			workers.Wait()
			h.clean(t)
		})
	}
}

// visit does one of the things that handlers do, and checks that all it sees
// is the tenant's own.
func (h *house) visit(t *testing.T, slug string, id int) error {
	ctx := h.as(t, slug)
	own := "of " + slug
	switch id % 4 {
	case 0:
		var item string
		if err := h.QueryRow(ctx, `SELECT item FROM orders WHERE id = $1`, 1).Scan(&item); err != nil || item != own {
			return fmt.Errorf("point: %q, %w", item, err)
		}
	case 1:
		rows, err := h.Query(ctx, `SELECT item FROM orders`)
		if err != nil {
			return err
		}
		items, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || strings.Trim(strings.Join(items, "\n"), "\n") == "" {
			return fmt.Errorf("list: %q, %w", items, err)
		}
		for _, item := range items {
			if item != own {
				return fmt.Errorf("list: %q", items)
			}
		}
	case 2:
		return h.Tx(ctx, nil, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO orders (id, item) VALUES ($1, $2)`, id, own); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, `DELETE FROM orders WHERE id = $1 AND item = $2`, id, own)
			if err == nil && tag.RowsAffected() != 1 {
				err = fmt.Errorf("deleted %d", tag.RowsAffected())
			}
			return err
		})
	case 3:
		var b pgx.Batch
		b.Queue(`INSERT INTO orders (id, item) VALUES ($1, $2)`, id, own)
		b.Queue(`DELETE FROM orders WHERE id = $1`, id)
		b.Queue(`SELECT count(*) FROM orders WHERE item <> $1`, own).QueryRow(func(row pgx.Row) error {
			var foreign int
			if err := row.Scan(&foreign); err != nil || foreign != 0 {
				return fmt.Errorf("batch: %d foreign, %w", foreign, err)
			}
			return nil
		})
		return h.SendBatch(ctx, &b).Close()
	}
	return nil
}

// TestPooledMarkIsVoidInTheNextTransaction shows what the pooler's next client
// would find: nothing.
func TestPooledMarkIsVoidInTheNextTransaction(t *testing.T) {
	t.Parallel()
	h := build(t, (*house).pool)
	if got := h.items(t, "acme"); len(got) != 1 {
		t.Fatalf("control: acme sees %q", got)
	}
	raw, err := pgx.Connect(t.Context(), h.data.Pooled(pooledRole)+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close(t.Context())
	for range 20 { // on whichever server connection PgBouncer has, warm or new
		var n int
		err := raw.QueryRow(t.Context(), `SELECT count(*) FROM orders`).Scan(&n)
		if n != 0 || err != nil && sqlState(err) != "55000" {
			t.Fatalf("a stranger sees %d rows, %v", n, err)
		}
	}
}

func TestSimpleProtocolIsRefused(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx := h.as(t, "acme")
	if _, err := h.Exec(ctx, `SELECT 1`, pgx.QueryExecModeSimpleProtocol); !errors.Is(err, isolation.ErrRefused) {
		t.Errorf("asked for: %v", err)
	}
	for _, stacked := range []string{
		`SELECT 1; DELETE FROM orders`, `DELETE FROM orders; SELECT 1`, `;DELETE FROM orders;;SELECT 1`,
	} {
		if _, err := h.Exec(ctx, stacked); sqlState(err) != "42601" {
			t.Errorf("%s: %v", stacked, err)
		}
	}
	for _, empty := range []string{"", " \n\t"} {
		if _, err := h.Exec(ctx, empty); !errors.Is(err, isolation.ErrRefused) {
			t.Errorf("%q: %v", empty, err)
		}
	}
	h.clean(t)
}
