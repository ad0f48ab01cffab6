package domain_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant/domain"
)

// TestToldAgain has a publisher that fails once, by an error and by a panic: the
// event stays, and nothing else does.
func TestToldAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("nobody is there") },
		"panic": func() error { panic("nobody is there") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h *house
			var asked atomic.Int64
			h = build(t, func(o *domain.Options) {
				note := o.Publish
				o.Publish = func(ctx context.Context, e domain.Event) error {
					if e.Host == "a.example" && asked.Add(1) == 1 {
						return fail()
					}
					return note(ctx, e)
				}
			})
			h.claim(t, "acme", "a.example", domain.MethodTXT)
			h.claim(t, "acme", "b.example", domain.MethodTXT)
			var before int
			for before == 0 { // the catalog's own publisher may have been first
				if _, err := h.Tell(t.Context()); err != nil {
					t.Fatal(err)
				}
				before = int(asked.Load())
			}
			waiting := func() (n int) {
				if err := h.pool.QueryRow(t.Context(), `SELECT count(*) FROM partywall_domains.event`).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			if got := h.told(t, "a.example"); len(got) != 0 || waiting() != 1 {
				t.Fatalf("told %v, %d wait", got, waiting())
			}
			if got := h.told(t, "b.example"); !slices.Equal(got, []string{"domain.claimed"}) {
				t.Errorf("one that cannot be told keeps the other: %v", got)
			}
			if _, err := h.pool.Exec(t.Context(), `UPDATE partywall_domains.event SET due_at = clock_timestamp()`); err != nil {
				t.Fatal(err)
			}
			if got := h.told(t, "a.example"); !slices.Equal(got, []string{"domain.claimed"}) || waiting() != 0 {
				t.Errorf("told %v, %d wait", got, waiting())
			}
		})
	}
}

// TestCheckTx has a domain looked at if the caller's transaction is committed, and
// not if it is not.
func TestCheckTx(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	h.serve(t, "acme", "acme.example")
	looks := h.dns.looks
	gone := errors.New("rolled back")
	check := func(end error) error {
		return pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
			if _, err := h.CheckTx(t.Context(), tx, h.who["acme"].ID, "acme.example"); err != nil {
				return err
			}
			return end
		})
	}
	if err := check(gone); !errors.Is(err, gone) {
		t.Fatal(err)
	}
	if h.settle(t); h.dns.looks != looks {
		t.Error("looked at for a transaction that never was")
	}
	if err := check(nil); err != nil {
		t.Fatal(err)
	}
	if h.settle(t); h.dns.looks != looks+1 {
		t.Errorf("%d looks, want one", h.dns.looks-looks)
	}
	err := pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
		_, err := h.CheckTx(t.Context(), tx, h.who["globex"].ID, "acme.example")
		return err
	})
	if !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
}
