package isolation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// items returns what a tenant sees of its orders.
func (h *house) items(t testing.TB, slug string) []string {
	t.Helper()
	rows, err := h.Query(h.as(t, slug), `SELECT item FROM orders ORDER BY id`)
	if err != nil {
		t.Errorf("%s: %v", slug, err)
		return nil
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Errorf("%s: %v", slug, err)
	}
	return got
}

// clean fails the test unless every tenant but those named sees just its own
// order: what happened before has left nothing behind.
func (h *house) clean(t testing.TB, except ...string) {
	t.Helper()
	for _, slug := range slugs() {
		if contains(except, slug) {
			continue
		}
		if got := h.items(t, slug); strings.Join(got, ",") != "of "+slug {
			t.Errorf("%s sees %q", slug, got)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// everyCall runs the ways into the database with a context, and returns what
// each got.
func (h *house) everyCall(ctx context.Context) map[string]error {
	var n int
	_, query := h.Query(ctx, `SELECT 1`)
	_, exec := h.Exec(ctx, `DELETE FROM orders`)
	_, begin := h.Begin(ctx)
	_, copied := h.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "item"}, pgx.CopyFromRows([][]any{{9, "x"}}))
	var b pgx.Batch
	b.Queue(`DELETE FROM orders`)
	std := h.StdDB()
	_, stdExec := std.ExecContext(ctx, `DELETE FROM orders`)
	_, stdBegin := std.BeginTx(ctx, nil)
	return map[string]error{
		"Query": query, "Exec": exec, "Begin": begin, "CopyFrom": copied,
		"QueryRow":  h.QueryRow(ctx, `SELECT 1`).Scan(&n),
		"Tx":        h.Tx(ctx, nil, func(pgx.Tx) error { return errors.New("Tx ran") }),
		"SendBatch": h.SendBatch(ctx, &b).Close(),
		"std Exec":  stdExec, "std Begin": stdBegin,
		"std Query": std.QueryRowContext(ctx, `SELECT 1`).Scan(&n),
	}
}

func TestWhoMayNotComeIn(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx := t.Context()
	stranger := h.who["acme"]
	stranger.ID, stranger.Number = tenant.NewID(time.Now()), 4711
	homeless, err := h.tenants.Create(ctx, tenant.Spec{Slug: "homeless", Status: tenant.Active,
		Placement: tenant.Placement{Server: "us-9", Strategy: tenant.Shared}})
	if err != nil {
		t.Fatal(err)
	}
	pending, err := h.tenants.Create(ctx, tenant.Spec{Slug: "pending",
		Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(h.as(t, "acme"))
	cancel()

	for name, try := range map[string]struct {
		ctx  context.Context
		want error
	}{
		"no tenant":           {ctx, tenant.ErrNoTenant},
		"zero tenant":         {tenant.NewContext(ctx, tenant.Tenant{}), tenant.ErrNoTenant},
		"two tenants":         {tenant.NewContext(h.as(t, "acme"), h.who["globex"]), tenant.ErrTwoTenants},
		"unknown tenant":      {tenant.NewContext(ctx, stranger), tenant.ErrNotFound},
		"unknown server":      {tenant.NewContext(ctx, homeless), isolation.ErrNoServer},
		"pending":             {tenant.NewContext(ctx, pending), tenant.ErrPending},
		"pending, let in":     {tenant.Admit(ctx, pending), tenant.ErrPending},
		"cancelled":           {ended, context.Canceled},
		"system, no reason":   {isolation.AsSystem(ctx, " "), isolation.ErrRefused},
		"system, bad server":  {isolation.OnServer(isolation.AsSystem(ctx, "test"), "us-9"), isolation.ErrNoServer},
		"server, not system":  {isolation.OnServer(ctx, "eu-1"), tenant.ErrNoTenant},
		"tenant taken out":    {tenant.Without(h.as(t, "acme")), tenant.ErrNoTenant},
		"forged in a snippet": {tenant.NewContext(ctx, tenant.Tenant{ID: stranger.ID, Number: h.who["globex"].Number, Status: tenant.Active}), tenant.ErrNotFound},
	} {
		for call, err := range h.everyCall(try.ctx) {
			if !errors.Is(err, try.want) {
				t.Errorf("%s, %s: got %v, want %v", name, call, err, try.want)
			}
		}
	}
	h.clean(t)
}

func TestTheCatalogDecidesNotTheContext(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	// A context whose tenant was tampered with: the ID is acme's, all else globex's.
	mixed := h.who["globex"]
	mixed.ID = h.who["acme"].ID
	mixed.Version = 0
	var item string
	err := h.QueryRow(tenant.NewContext(t.Context(), mixed), `SELECT item FROM orders`).Scan(&item)
	if err != nil || item != "of acme" {
		t.Errorf("got %q, %v", item, err)
	}
}

func TestSuspendedTenantReadsOnlyWhereLetIn(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		before := h.as(t, slug)
		suspended, err := h.tenants.Suspend(t.Context(), h.who[slug].ID, tenant.ReasonPayment)
		if err != nil {
			t.Fatal(err)
		}
		for call, err := range h.everyCall(before) {
			var status *tenant.StatusError
			if !errors.Is(err, tenant.ErrSuspended) || !errors.As(err, &status) || status.Reason != tenant.ReasonPayment {
				t.Errorf("%s, %s: got %v", slug, call, err)
			}
		}
		admitted := tenant.Admit(t.Context(), suspended)
		var item string
		if err := h.QueryRow(admitted, `SELECT item FROM orders`).Scan(&item); err != nil || item != "of "+slug {
			t.Errorf("%s reads %q, %v", slug, item, err)
		}
		if _, err := h.Exec(admitted, `DELETE FROM orders`); sqlState(err) != "25006" {
			t.Errorf("%s: deleting while suspended: %v", slug, err)
		}
		err = h.Tx(admitted, &pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
			_, err := tx.Exec(admitted, `UPDATE orders SET item = 'x'`)
			return err
		})
		if sqlState(err) != "25006" {
			t.Errorf("%s: updating in a transaction while suspended: %v", slug, err)
		}
		if _, err := h.tenants.Activate(t.Context(), suspended.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Exec(before, `UPDATE orders SET total = 11`); err != nil {
			t.Errorf("%s: writing after its return: %v", slug, err)
		}
	}
	h.clean(t)
}

func TestStaleNodeIsRefused(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { h.opts.FenceWait = -1 })
	// The data server has heard of a later epoch than the catalog knows: a
	// node in the past, or a catalog restored from a backup.
	admin := h.data.Conn(t)
	if _, err := admin.Exec(t.Context(), `UPDATE partywall.fence SET epoch = epoch + 5 WHERE tenant_id = $1`, h.who["acme"].Number); err != nil {
		t.Fatal(err)
	}
	h.DropIdle("acme", h.who)
	for call, err := range h.everyCall(h.as(t, "acme")) {
		var fenced *isolation.FencedError
		if !errors.Is(err, isolation.ErrFenced) || !errors.As(err, &fenced) || fenced.Want != fenced.Have+5 {
			t.Errorf("%s: %v", call, err)
		}
	}
	h.clean(t, "acme")
}

func TestPanicInTxRollsBack(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		func() {
			defer func() {
				if recover() != "boom" {
					t.Error("the panic was swallowed")
				}
			}()
			_ = h.Tx(h.as(t, slug), nil, func(tx pgx.Tx) error {
				if _, err := tx.Exec(h.as(t, slug), `DELETE FROM orders`); err != nil {
					t.Error(err)
				}
				panic("boom")
			})
		}()
	}
	h.clean(t)
}

func TestGoroutineThatOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { s := h.servers["eu-1"]; s.MaxConns = 1; h.servers["eu-1"] = s })
	ctx, cancel := context.WithTimeout(h.as(t, "acme"), 100*time.Millisecond)
	defer cancel()
	var rows pgx.Rows
	var late sync.WaitGroup
	late.Go(func() {
		rows, _ = h.Query(ctx, `SELECT item, pg_sleep(60)::text FROM orders`) // the error comes out of the rows
		for rows.Next() {
			t.Error("got a row after the request was over")
		}
		if !errors.Is(rows.Err(), context.DeadlineExceeded) {
			t.Errorf("rows: %v", rows.Err())
		}
		_, err := h.Exec(ctx, `DELETE FROM orders`)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a late statement: %v", err)
		}
	})
	late.Wait()
	h.clean(t)
	// The rows are spent: whoever keeps them sees nothing of the next user.
	if rows.Next() || rows.RawValues() != nil || rows.Scan() == nil || rows.Conn() != nil {
		t.Error("spent rows are of use")
	}
}

func TestTransactionKeepsItsTenant(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	tx, err := h.Begin(h.as(t, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(h.as(t, "globex"), `DELETE FROM orders`); !errors.Is(err, tenant.ErrTwoTenants) {
		t.Errorf("another tenant's context: %v", err)
	}
	if _, err := tx.Exec(t.Context(), `DELETE FROM orders`); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("no tenant's context: %v", err)
	}
	if tx.Conn() != nil {
		t.Error("the transaction shows its connection")
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := tx.Exec(h.as(t, "acme"), `DELETE FROM orders`); !errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("after its end: %v", err)
	}
	h.clean(t)
}

func TestPoolExhaustion(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) {
		s := h.servers["eu-1"]
		s.MaxConns = 2
		h.servers["eu-1"] = s
		h.opts.AcquireTimeout = 5 * time.Second // dialling is within it, on machines of any speed
	})
	// Its cap is half of the two connections: acme cannot take both.
	first, err := h.Begin(h.as(t, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Begin(h.as(t, "acme")); !errors.Is(err, isolation.ErrBusy) {
		t.Errorf("over the cap: %v", err)
	}
	second, err := h.Begin(h.as(t, "globex"))
	if err != nil {
		t.Fatalf("acme keeps globex out: %v", err)
	}
	short, cancel := context.WithTimeout(h.as(t, "umbrella"), 10*time.Millisecond)
	defer cancel()
	if _, err := h.Exec(short, `DELETE FROM orders`); !errors.Is(err, isolation.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over the budget: %v", err)
	}
	if err := errors.Join(first.Rollback(t.Context()), second.Rollback(t.Context())); err != nil {
		t.Error(err)
	}
	h.clean(t)
}
