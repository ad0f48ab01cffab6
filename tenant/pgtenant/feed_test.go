package pgtenant_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

func now() time.Time { return time.Now() }

// dump shows all of an error, fields included.
func dump(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&b, "%+v %#v\n", err, err)
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				b.WriteString(dump(e))
			}
		}
	}
	return b.String()
}

func count(t *testing.T, s tenant.Store, since tenant.Mark) (int, tenant.Mark) {
	t.Helper()
	n := 0
	next, err := s.Changes(t.Context(), since, func(tenant.Tenant) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n, next
}

// A catalog whose transactions are fewer than a node has seen was replaced by
// an earlier copy of itself, whatever else looks the same.
func TestRewoundByTransactions(t *testing.T) {
	t.Parallel()
	s := pgtenant.NewHeld(t, pgtest.New(t, pgtenant.Template(t)).Pool(t))
	_, mark := count(t, s, "")
	history, _, _ := strings.Cut(string(mark), " ")
	for _, mark := range []string{
		history + " 999999999999:999999999999:", "1" + string(mark), history + " 1", history + " x:y:z", history,
	} {
		_, err := s.Changes(t.Context(), tenant.Mark(mark), func(tenant.Tenant) error { return nil })
		if !errors.Is(err, tenant.ErrRewound) {
			t.Errorf("%q: %v", mark, err)
		}
	}
}

// Rows that came by dump and restore bear the transactions of another cluster,
// which may be far ahead. They are loaded once, and are no change for ever.
func TestStampsFromElsewhere(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	s := pgtenant.NewHeld(t, pool)
	c := open(t, pool, nil)
	acme := mustCreate(t, c.Writer, "acme")
	for _, sql := range []string{
		`ALTER TABLE partywall_catalog.tenant DISABLE TRIGGER stamp`,
		`UPDATE partywall_catalog.tenant SET changed_in = '9000000000'`,
		`ALTER TABLE partywall_catalog.tenant ENABLE TRIGGER stamp`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	n, mark := count(t, s, "")
	if n != 1 {
		t.Errorf("loaded %d", n)
	}
	if n, mark = count(t, s, mark); n != 0 {
		t.Errorf("%d changes without a change", n)
	}
	if _, err := c.Activate(t.Context(), acme.ID); err != nil {
		t.Fatal(err)
	}
	if n, _ = count(t, s, mark); n != 1 {
		t.Errorf("%d changes after one", n)
	}
}

// Nothing is yielded twice for want of a change, even while a transaction
// elsewhere stays open for hours.
func TestNoRepeats(t *testing.T) {
	t.Parallel()
	s := pgtenant.NewHeld(t, pgtest.New(t, pgtenant.Template(t)).Pool(t))
	held, end := s.Hold(t)
	if _, err := held.Create(t.Context(), tenant.Tenant{
		ID: tenant.NewID(now()), Slug: "held", Status: tenant.Active, Placement: tenant.Placement{Epoch: 1},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), tenant.Tenant{
		ID: tenant.NewID(now()), Slug: "other", Status: tenant.Active, Placement: tenant.Placement{Epoch: 1},
	}); err != nil {
		t.Fatal(err)
	}
	n, mark := count(t, s, "")
	for range 3 {
		var again int
		if again, mark = count(t, s, mark); n != 1 || again != 0 {
			t.Errorf("first %d, then %d", n, again)
		}
	}
	end(true)
	if n, _ = count(t, s, mark); n != 1 {
		t.Errorf("%d changes after the commit", n)
	}
}

// BenchmarkLoad is what a node with a million tenants waits for when it starts.
func BenchmarkLoad(b *testing.B) {
	db := pgtest.New(b, pgtenant.Template(b))
	pool := db.Pool(b)
	_, err := pool.Exec(b.Context(), `INSERT INTO partywall_catalog.tenant (id, slug, name, status, reason, plan, region,
			labels, server, strategy, schema, database, bucket, cache, epoch, version, created_at, updated_at, changed_in)
		SELECT overlay(overlay(gen_random_uuid()::text PLACING '7' FROM 15) PLACING '8' FROM 20)::uuid,
			'company-' || n, 'Company ' || n, 'active', '', 'pro', 'eu', '{}', 'eu-' || n % 8, 'shared', '', '', '', '',
			1, 1, now(), now(), '0' FROM generate_series(1, 1000000) AS n`)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("registry", func(b *testing.B) {
		for b.Loop() {
			c, err := pgtenant.Open(b.Context(), pool, nil)
			if err != nil {
				b.Fatal(err)
			}
			if n := c.Health().Tenants; n != 1_000_000 {
				b.Fatalf("%d tenants", n)
			}
			c.Close()
		}
	})
	// What the rows take to arrive, read by nobody: by the query that the
	// registry asks, and by COPY. They are why it does not ask by COPY.
	b.Run("rows", func(b *testing.B) {
		for b.Loop() {
			rows, err := pool.Query(b.Context(), pgtenant.AllSQL)
			if err != nil {
				b.Fatal(err)
			}
			for rows.Next() {
			}
			if err := rows.Err(); err != nil || rows.CommandTag().RowsAffected() != 1_000_000 {
				b.Fatal(rows.CommandTag(), err)
			}
		}
	})
	b.Run("copy", func(b *testing.B) {
		for b.Loop() {
			err := pool.AcquireFunc(b.Context(), func(c *pgxpool.Conn) error {
				_, err := c.Conn().PgConn().CopyTo(b.Context(), io.Discard, "COPY ("+pgtenant.AllSQL+") TO STDOUT (FORMAT binary)")
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
