package pgtenant

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
)

// AllSQL yields all tenants.
const AllSQL = `SELECT ` + columns + ` FROM partywall_catalog.tenant`

// Template is a database with an empty catalog.
func Template(t testing.TB) *pgtest.Template {
	set, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	return &pgtest.Template{Name: "catalog", Version: set.Version(), Fill: func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = pgmigrate.Apply(ctx, conn, set)
		return err
	}}
}

// Held is the store, with transactions as the conformance kit wants them.
type Held struct{ *store }

// NewHeld returns the store that Open would put a registry on.
func NewHeld(t *testing.T, pool *pgxpool.Pool) Held {
	s := newStore(pool)
	if err := s.firstKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	return Held{s}
}

// Impatient gives up listening connections after d of silence.
func (h Held) Impatient(d time.Duration) Held {
	h.feed.Silence = d
	return h
}

// Hold implements tenanttest.Holder.
func (h Held) Hold(t *testing.T) (r tenant.Records, end func(commit bool)) {
	tx, err := h.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() { _ = tx.Rollback(ctx) })
	return &records{db: tx}, func(commit bool) {
		finish := tx.Rollback
		if commit {
			finish = tx.Commit
		}
		if err := finish(ctx); err != nil {
			t.Error(err)
		}
	}
}
