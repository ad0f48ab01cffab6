package isolation_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/partywall/partywall/isolation"
)

// TestRebindSeesEveryFence lets one connection go from tenant to tenant until it
// remembers all their fences, changes one of them while the connection is
// somebody else's, and goes back.
func TestRebindSeesEveryFence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change string
		fenced bool
	}{
		"admitted elsewhere": {`SELECT partywall.admit($1, 9, 'a', '"public"', NULL, NULL)`, true},
		"shut":               {`SELECT partywall.admit($1, epoch, 'f', path, NULL, NULL) FROM partywall.fence WHERE tenant_id = $1`, true},
		"by hand":            {`UPDATE partywall.fence SET epoch = epoch + 5 WHERE tenant_id = $1`, true},
		"read only by hand":  {`UPDATE partywall.fence SET state = 'r' WHERE tenant_id = $1`, true},
		"another's":          {`UPDATE partywall.fence SET epoch = epoch + 5 WHERE tenant_id = $1 + 1000`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, func(h *house) {
				single(h)
				h.opts.FenceWait = -1
			})
			h.remember(t)
			before := h.turn(t)
			if _, err := h.data.Conn(t).Exec(t.Context(), c.change, h.who["acme"].Number); err != nil {
				t.Fatal(err)
			}
			if turned := h.turn(t) > before; turned != c.fenced {
				t.Errorf("the turn has risen: %v", turned)
			}
			if err := h.readOrder(t, "acme"); errors.Is(err, isolation.ErrFenced) != c.fenced {
				t.Errorf("acme: %v", err)
			}
			if err := h.readOrder(t, "globex"); err != nil {
				t.Errorf("globex: %v", err)
			}
		})
	}
}

// TestRebindWithoutTurns is the control: were the turn not looked at, a session
// that remembers would not see that the fence has been raised.
func TestRebindWithoutTurns(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) {
		single(h)
		h.opts.FenceWait = -1
	})
	admin := h.data.Conn(t)
	var was string
	if err := admin.QueryRow(t.Context(), `SELECT pg_get_functiondef('partywall.rebind'::regproc)`).Scan(&was); err != nil {
		t.Fatal(err)
	}
	const look = `(pg_catalog.pg_sequence_last_value('partywall.turn'::pg_catalog.regclass) OPERATOR(pg_catalog.=) seen) IS TRUE`
	if !strings.Contains(was, look) {
		t.Fatal("rebind does not look at the turn as this test knows it")
	}
	if _, err := admin.Exec(t.Context(), strings.Replace(was, look, `true`, 1)); err != nil {
		t.Fatal(err)
	}
	h.remember(t)
	if _, err := admin.Exec(t.Context(), `UPDATE partywall.fence SET epoch = epoch + 5 WHERE tenant_id = $1`, h.who["acme"].Number); err != nil {
		t.Fatal(err)
	}
	if err := h.readOrder(t, "acme"); err != nil {
		t.Errorf("fenced all the same: %v; the tests above prove nothing", err)
	}
}

// remember lets the house's one connection go from tenant to tenant until it
// remembers their fences, and leaves it with somebody else than acme.
func (h *house) remember(t *testing.T) {
	t.Helper()
	for range 4 {
		for _, slug := range []string{"acme", "globex", "initech"} {
			if err := h.readOrder(t, slug); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// readOrder reads a tenant's order, which must be its own.
func (h *house) readOrder(t *testing.T, slug string) error {
	t.Helper()
	var item string
	err := h.QueryRow(h.as(t, slug), `SELECT item FROM orders`).Scan(&item)
	if err == nil && item != "of "+slug {
		t.Errorf("%s reads %q", slug, item)
	}
	return err
}

func (h *house) turn(t *testing.T) (n int64) {
	t.Helper()
	if err := h.data.Conn(t).QueryRow(t.Context(), `SELECT last_value FROM partywall.turn`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
