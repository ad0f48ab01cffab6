package isolation_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

func TestCopyFrom(t *testing.T) {
	t.Parallel()
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, mode)
			for _, slug := range slugs() {
				ctx := h.as(t, slug)
				rows := make([][]any, 2500)
				for i := range rows {
					rows[i] = []any{i + 100, "of " + slug, "1.25"}
				}
				n, err := h.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "item", "total"}, pgx.CopyFromRows(rows))
				if err != nil || n != 2500 {
					t.Fatalf("%s: %d, %v", slug, n, err)
				}
				// A column of arrays goes row by row.
				n, err = h.CopyFrom(ctx, pgx.Identifier{"order_lines"}, []string{"order_id", "line", "tags"},
					pgx.CopyFromRows([][]any{{1, 1, []string{"a", "b"}}, {1, 2, nil}}))
				if err != nil || n != 2 {
					t.Fatalf("%s: arrays: %d, %v", slug, n, err)
				}
				// All or none: the last row is there already.
				_, err = h.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "item"},
					pgx.CopyFromRows([][]any{{9000, "x"}, {1, "x"}}))
				if sqlState(err) != "23505" {
					t.Errorf("%s: a duplicate: %v", slug, err)
				}
				var count int
				var sum string
				err = h.QueryRow(ctx, `SELECT count(*)::int4, sum(total)::text FROM orders`).Scan(&count, &sum)
				if err != nil || count != 2501 || sum != "3135.00" {
					t.Errorf("%s: %d rows, %s, %v", slug, count, sum, err)
				}
			}
		})
	}
}

func TestCopyFromAnotherTenantsRowsIsRefused(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range []string{"acme", "initech", "umbrella"} {
		_, err := h.CopyFrom(h.as(t, slug), pgx.Identifier{"orders"}, []string{"tenant_id", "id", "item"},
			pgx.CopyFromRows([][]any{{h.who["globex"].Number, 7, "planted"}}))
		if sqlState(err) != "42501" {
			t.Errorf("%s: %v", slug, err)
		}
	}
	h.clean(t)
}

func TestBatchInEveryMode(t *testing.T) {
	t.Parallel()
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, mode)
			for _, slug := range slugs() {
				var b pgx.Batch
				var first, second string
				b.Queue(`SELECT item FROM orders WHERE id = $1`, 1).QueryRow(func(row pgx.Row) error { return row.Scan(&first) })
				b.Queue(`SELECT item FROM orders WHERE id = @id`, pgx.NamedArgs{"id": 1}).QueryRow(func(row pgx.Row) error { return row.Scan(&second) })
				if err := h.SendBatch(h.as(t, slug), &b).Close(); err != nil || first != "of "+slug || second != first {
					t.Errorf("%s: %q, %q, %v", slug, first, second, err)
				}
				// One failure takes the whole batch back.
				var bad pgx.Batch
				bad.Queue(`DELETE FROM orders`)
				bad.Queue(`SELECT 1/0`)
				if err := h.SendBatch(h.as(t, slug), &bad).Close(); sqlState(err) != "22012" {
					t.Errorf("%s: %v", slug, err)
				}
				var ends pgx.Batch
				ends.Queue(`COMMIT`)
				if err := h.SendBatch(h.as(t, slug), &ends).Close(); !errors.Is(err, isolation.ErrRefused) {
					t.Errorf("%s: COMMIT in a batch: %v", slug, err)
				}
			}
			h.clean(t)
		})
	}
}

func TestNestedTransactions(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		ctx := h.as(t, slug)
		err := h.Tx(ctx, &pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
			inner, err := tx.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := inner.Exec(ctx, `DELETE FROM orders`); err != nil {
				return err
			}
			if err := inner.Rollback(ctx); err != nil {
				return err
			}
			if _, err := inner.Exec(ctx, `SELECT 1`); !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("%s: a savepoint rolled back: %v", slug, err)
			}
			if _, err := tx.Prepare(ctx, "count", `SELECT count(*) FROM orders`); err != nil {
				return err
			}
			var n int
			if err := tx.QueryRow(ctx, "count").Scan(&n); err != nil || n != 1 {
				t.Errorf("%s: %d rows, %v", slug, n, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", slug, err)
		}
	}
	h.clean(t)
}

// TestNothingStaysInTheSession leaves things in a session, and looks for them
// as the connection's next user.
func TestNothingStaysInTheSession(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { s := h.servers["eu-1"]; s.MaxConns = 1; h.servers["eu-1"] = s })
	for _, left := range []struct{ leave, look string }{
		{`SET work_mem = '123kB'`, `SELECT current_setting('work_mem') = '123kB'`},
		{`SET statement_timeout = 7`, `SELECT current_setting('statement_timeout') = '7ms'`},
		{`PREPARE loot AS SELECT item FROM orders`, `EXECUTE loot`},
		{`LISTEN loot`, `SELECT EXISTS (SELECT FROM pg_listening_channels())`},
		{`DECLARE loot CURSOR WITH HOLD FOR SELECT item FROM orders`, `FETCH ALL FROM loot`},
		{`/* c */ -- d
			sEt search_path = loot`, `SELECT current_setting('search_path') = 'loot'`},
	} {
		for _, next := range []string{"acme", "globex"} {
			if _, err := h.Exec(h.as(t, "acme"), left.leave); err != nil {
				t.Errorf("%s: %v", left.leave, err)
			}
			var found bool
			err := h.QueryRow(h.as(t, next), left.look).Scan(&found)
			if code := sqlState(err); code == "26000" || code == "34000" {
				continue // no such statement, no such cursor
			}
			if err != nil || found {
				t.Errorf("%s: %s finds it: %v, %v", left.leave, next, found, err)
			}
		}
	}
	h.clean(t)
}

func TestLeavesTrace(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][2]bool{ // alone, in a transaction
		`SELECT 1`:                        {false, false},
		" \n\t select 1":                  {false, false},
		`-- SET x` + "\n" + `INSERT INTO`: {false, false},
		`/* SET */ WITH a AS ()`:          {false, false},
		`/* a /* nested */ SELECT`:        {true, true},
		`/* a /* nested */ */ SELECT`:     {false, false},
		`/*/ SET */ SELECT`:               {false, false},
		`/*/`:                             {true, true},
		"--\rPREPARE x AS --\nSELECT 1":   {true, true},
		"-- x\rSELECT 1":                  {false, false},
		`;;SELECT 1`:                      {false, false},
		`/* open`:                         {true, true},
		`SET x = 1`:                       {true, true},
		`SET LOCAL x = 1`:                 {true, false},
		`SET TRANSACTION READ ONLY`:       {true, false},
		`SET SESSION CHARACTERISTICS`:     {true, true},
		`RESET ALL`:                       {true, true},
		`DISCARD ALL`:                     {true, true},
		`DO $$ $$`:                        {true, true},
		`CALL p()`:                        {true, true},
		`SAVEPOINT a`:                     {true, false},
		`selectx`:                         {true, true},
		`(SELECT 1)`:                      {false, false},
		``:                                {true, true},
	} {
		if got := [2]bool{isolation.LeavesTrace(sql, false), isolation.LeavesTrace(sql, true)}; got != want {
			t.Errorf("%q: got %v, want %v", sql, got, want)
		}
	}
}

// TestCopyIsNoStatement would wait for data that never comes.
func TestCopyIsNoStatement(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, ctx := range []context.Context{h.as(t, "acme"), isolation.AsSystem(t.Context(), "test")} {
		for _, text := range []string{`COPY genre FROM STDIN`, `copy orders to stdout`} {
			if _, err := h.Exec(ctx, text); !errors.Is(err, isolation.ErrRefused) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

func TestSystemAndFanOut(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []isolation.SystemUse
	h := build(t, func(h *house) {
		h.opts.Audit = func(_ context.Context, use isolation.SystemUse) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, use)
		}
	})
	ctx := isolation.AsSystem(t.Context(), "counting for a test")
	var n int
	if err := h.QueryRow(ctx, `SELECT count(*) FROM orders`).Scan(&n); err != nil || n != 2 {
		t.Errorf("the system sees %d shared orders, %v", n, err)
	}
	if len(told) != 1 || told[0].Reason != "counting for a test" || told[0].Server != "eu-1" {
		t.Errorf("the audit was told %+v", told)
	}
	if _, err := h.tenants.Suspend(t.Context(), h.who["globex"].ID, "test"); err != nil {
		t.Fatal(err)
	}
	lost, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: "lost", Status: tenant.Active,
		Placement: tenant.Placement{Server: "us-9", Strategy: tenant.Shared}})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string][]string{}
	for r := range isolation.FanOut(ctx, h.DB, h.tenants.All(t.Context(), tenant.Query{}), pgx.RowTo[string], `SELECT item FROM orders`) {
		if (r.Err != nil) != (r.Tenant.ID == lost.ID) || r.Err != nil && !errors.Is(r.Err, isolation.ErrNoServer) {
			t.Errorf("%s: %v", r.Tenant.Slug, r.Err)
		}
		answers[r.Tenant.Slug] = r.Rows
	}
	for _, slug := range slugs() {
		if !slices.Equal(answers[slug], []string{"of " + slug}) {
			t.Errorf("%s answered %q", slug, answers[slug])
		}
	}
	for r := range isolation.FanOut(ctx, h.DB, h.tenants.All(t.Context(), tenant.Query{}), pgx.RowTo[string], `DELETE FROM orders RETURNING item`) {
		if r.Err == nil {
			t.Errorf("%s: a FanOut wrote", r.Tenant.Slug)
		}
	}
	for r := range isolation.FanOut(t.Context(), h.DB, h.tenants.All(t.Context(), tenant.Query{}), pgx.RowTo[string], `SELECT 1`) {
		if !errors.Is(r.Err, isolation.ErrRefused) {
			t.Errorf("not as system: %v", r.Err)
		}
	}
	for range isolation.FanOut(ctx, h.DB, h.tenants.All(t.Context(), tenant.Query{}), pgx.RowTo[string], `SELECT item FROM orders`) {
		break // what is under way ends; Close would hang otherwise
	}
}

func TestKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	for _, pooled := range []bool{false, true} {
		h := build(t, func(h *house) {
			if pooled {
				h.pool()
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for w := range 4 {
			slug := slugs()[w]
			workers.Go(func() {
				for ctx.Err() == nil {
					var item string
					if err := h.QueryRow(h.as(t, slug), `SELECT item FROM orders`).Scan(&item); err != nil || item != "of "+slug {
						t.Errorf("pooled %v, %s: %q, %v", pooled, slug, item, err)
						return
					}
				}
			})
		}
		for range 5 {
			if err := errors.Join(h.RotateKeys(t.Context()), h.RetireKeys(t.Context())); err != nil {
				t.Error(err)
			}
			h.EndIdle() // so that new sessions are opened
		}
		stop()
		workers.Wait()
		h.clean(t)
	}
}

func TestProvisionAndDeprovision(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range []string{"acme", "initech", "umbrella"} {
		if _, err := h.Exec(h.as(t, slug), `INSERT INTO order_lines (order_id, line) VALUES (1, 1)`); err != nil {
			t.Fatal(err)
		}
		if err := h.Provision(t.Context(), h.who[slug]); err != nil {
			t.Errorf("%s: provisioning again: %v", slug, err)
		}
		if got := h.items(t, slug); len(got) != 1 {
			t.Errorf("%s: provisioning again left %q", slug, got)
		}
		for range 2 {
			if err := h.Deprovision(t.Context(), h.who[slug]); err != nil {
				t.Errorf("%s: %v", slug, err)
			}
		}
		if err := h.QueryRow(h.as(t, slug), `SELECT count(*) FROM orders`).Scan(new(int)); err == nil {
			t.Errorf("%s is served after its end", slug)
		}
	}
	h.clean(t, "acme", "initech", "umbrella")
	var left int
	err := h.data.Conn(t).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM orders WHERE tenant_id <> $1) + (SELECT count(*) FROM order_lines)
		+ (SELECT count(*) FROM pg_namespace WHERE nspname = 'initech') + (SELECT count(*) FROM pg_database WHERE datname = $2)`,
		h.who["globex"].Number, h.who["umbrella"].Placement.Database).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d things are left, %v", left, err)
	}
}
