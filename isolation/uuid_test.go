package isolation_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestTablesKeyedByUUID keeps tenants apart where rows carry the tenant's UUID,
// and also from a tenant whose fence was told by a process that knew nothing of
// UUIDs: it sees nothing, and above all not what the one before it saw.
func TestTablesKeyedByUUID(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){"bound": single, "pooled": (*house).pool} {
		h := build(t, func(h *house) { change(h); h.opts.UUIDKeys = true })
		admin := h.data.Conn(t)
		_, err := admin.Exec(t.Context(), `CREATE TABLE public.note (tenant_id uuid NOT NULL, body text); SELECT partywall.protect('public.note')`)
		if err != nil {
			t.Fatal(err)
		}
		see := func(slug string) []string {
			rows, err := h.Query(h.as(t, slug), `SELECT body FROM public.note`)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, slug, err)
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatalf("%s: %s: %v", name, slug, err)
			}
			return got
		}
		for _, slug := range []string{"acme", "globex", "initech"} {
			if _, err := h.Exec(h.as(t, slug), `INSERT INTO public.note (body) VALUES ($1)`, "by "+slug); err != nil {
				t.Fatalf("%s: %s: %v", name, slug, err)
			}
		}
		for _, slug := range []string{"acme", "globex", "initech", "acme"} {
			if got := see(slug); len(got) != 1 || got[0] != "by "+slug {
				t.Errorf("%s: %s sees %q", name, slug, got)
			}
		}
		if _, err := admin.Exec(t.Context(), `UPDATE partywall.fence SET hi = NULL, lo = NULL WHERE tenant_id = $1`, h.who["acme"].Number); err != nil {
			t.Fatal(err)
		}
		for _, before := range []string{"globex", "initech"} {
			see(before)
			if got := see("acme"); len(got) != 0 {
				t.Errorf("%s: acme after %s sees %q", name, before, got)
			}
		}
		h.clean(t)
	}
}

// TestUUIDThatMarksNobody refuses the one kind of ID that the mark keeps for
// nobody. Only a tenant that was taken over can have it.
func TestUUIDThatMarksNobody(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { h.opts.UUIDKeys = true })
	odd := tenant.ID{15: 1}
	who, err := h.tenants.Create(t.Context(), tenant.Spec{
		ID: odd, Slug: "odd", Status: tenant.Active, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(t.Context(), who); !errors.Is(err, isolation.ErrRefused) {
		t.Errorf("Provision = %v, want ErrRefused", err)
	}
	if _, err := h.Exec(tenant.NewContext(t.Context(), who), `DELETE FROM orders`); !errors.Is(err, isolation.ErrRefused) {
		t.Errorf("Exec = %v, want ErrRefused", err)
	}
	h.clean(t)
}
