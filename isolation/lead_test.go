package isolation_test

import (
	"errors"
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
			read := func(slug string) error {
				var item string
				err := h.QueryRow(h.as(t, slug), `SELECT item FROM orders`).Scan(&item)
				if err == nil && item != "of "+slug {
					t.Errorf("%s reads %q", slug, item)
				}
				return err
			}
			for range 4 {
				for _, slug := range []string{"acme", "globex", "initech"} {
					if err := read(slug); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := h.turn(t)
			if _, err := h.data.Conn(t).Exec(t.Context(), c.change, h.who["acme"].Number); err != nil {
				t.Fatal(err)
			}
			if turned := h.turn(t) > before; turned != c.fenced {
				t.Errorf("the turn has risen: %v", turned)
			}
			if err := read("acme"); errors.Is(err, isolation.ErrFenced) != c.fenced {
				t.Errorf("acme: %v", err)
			}
			if err := read("globex"); err != nil {
				t.Errorf("globex: %v", err)
			}
		})
	}
}

func (h *house) turn(t *testing.T) (n int64) {
	t.Helper()
	if err := h.data.Conn(t).QueryRow(t.Context(), `SELECT last_value FROM partywall.turn`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
