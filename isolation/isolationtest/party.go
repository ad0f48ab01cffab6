package isolationtest

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// party is a tenant while it is played.
type party struct {
	*Tenant

	canaries []canary          // all there have been
	keys     []map[string]bool // what its requests have made in each sink
}

// seed plants a canary with the tenant.
func (p *party) seed(ctx context.Context, h *Host) error {
	if h.Seed == nil {
		if len(p.canaries) == 0 {
			p.canaries = append(p.canaries, newCanary(p.Canary))
		}
		return nil
	}
	p.Canary = mint()
	if p.IDs == nil {
		p.IDs = map[string]string{}
	}
	if err := h.Seed(ctx, p.Tenant); err != nil {
		return fmt.Errorf("seeding tenant %s: %w", p.Name, err)
	}
	p.canaries = append(p.canaries, newCanary(p.Canary))
	return nil
}

// shows reports where an answer holds something that is the tenant's.
func (p *party) shows(a answer) (where string, is bool) {
	for _, c := range p.canaries {
		if where := a.holds(c); where != "" {
			return where, true
		}
	}
	return "", false
}

// in reports whether a text holds something that is the tenant's.
func (p *party) in(text string) bool {
	for _, c := range p.canaries {
		if c.in(text) {
			return true
		}
	}
	return false
}

// mix is a choice of identifiers.
type mix struct {
	name string
	ids  map[string]string
}

// mixes are the choices that me has between its own identifiers and those of
// another: all the other's, and one of the other's among its own.
func mixes(me, other *Tenant, parameters []string) []mix {
	own := mix{"", me.IDs}
	if len(parameters) == 0 {
		return []mix{own}
	}
	all := maps.Clone(me.IDs)
	out := []mix{own, {"with the " + strings.Join(parameters, " and ") + " of " + other.Name, all}}
	for _, name := range parameters {
		all[name] = other.IDs[name]
		if len(parameters) > 1 {
			one := maps.Clone(me.IDs)
			one[name] = other.IDs[name]
			out = append(out, mix{"with the " + name + " of " + other.Name, one})
		}
	}
	return out
}
