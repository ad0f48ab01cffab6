package isolationtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/partywall/partywall/isolation/prove"
)

// driver plays two tenants against each other.
type driver struct {
	host     *Host
	parties  [2]*party
	deeds    []deed
	attempts int
	found    prove.Report
	told     map[[2]string]bool // findings by code and object
	works    map[deed]bool      // it was seen to work for an owner
	shown    bool               // an owner has seen a canary of its own
}

func newDriver(h *Host) *driver {
	d := &driver{host: h, told: map[[2]string]bool{}, works: map[deed]bool{}}
	for i := range h.Tenants {
		p := &party{Tenant: &h.Tenants[i]}
		for range h.Sinks {
			p.keys = append(p.keys, map[string]bool{})
		}
		d.parties[i] = p
	}
	for _, r := range h.Routes {
		d.deeds = append(d.deeds, &request{r})
	}
	for _, f := range h.Functions {
		d.deeds = append(d.deeds, &call{f})
	}
	return d
}

// run goes through all phases. What changes nothing comes first, so that what
// it says is of a house that nobody has been at yet.
func (d *driver) run(ctx context.Context) error {
	if err := d.seed(ctx); err != nil {
		return err
	}
	var missing []error
	for _, p := range d.parties {
		for _, e := range d.deeds {
			missing = append(missing, e.missing(p.Tenant))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return err
	}
	for _, phase := range []func(context.Context, *party, *party) error{d.own, d.reading, d.oracles, d.interference} {
		for i, me := range d.parties {
			if err := phase(ctx, me, d.parties[1-i]); err != nil {
				return err
			}
		}
	}
	if err := d.together(ctx); err != nil {
		return err
	}
	for i, me := range d.parties {
		if err := d.writing(ctx, me, d.parties[1-i]); err != nil {
			return err
		}
	}
	d.untested()
	return nil
}

// seed plants new canaries with both.
func (d *driver) seed(ctx context.Context) error {
	for _, p := range d.parties {
		if err := p.seed(ctx, d.host); err != nil {
			return err
		}
	}
	return nil
}

// own asks for everything as its owner. It is the control: what does not work
// here says nothing when it does not work for others.
func (d *driver) own(ctx context.Context, me, other *party) error {
	for _, e := range d.safe() {
		a, err := d.try(ctx, e, me, other, mix{"", me.IDs}, disguise{})
		if err != nil {
			return err
		}
		d.works[e] = d.works[e] || a.ok
		if _, is := me.shows(a); is {
			d.shown = true
		}
	}
	return nil
}

// reading asks as one with the other's identifiers, and under the other's name.
func (d *driver) reading(ctx context.Context, me, other *party) error {
	for _, e := range d.safe() {
		if err := d.ways(ctx, e, me, other); err != nil {
			return err
		}
	}
	return nil
}

// ways tries one deed with all mixes of identifiers, and the first and the
// second of them in all disguises.
func (d *driver) ways(ctx context.Context, e deed, me, other *party) error {
	for i, m := range mixes(me.Tenant, other.Tenant, e.parameters(me.IDs)) {
		disguises := []disguise{{}}
		if i < 2 {
			disguises = append(disguises, e.disguises(other.Tenant)...)
		}
		for _, in := range disguises {
			if _, err := d.try(ctx, e, me, other, m, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// try makes one attempt, and looks for the other's canaries in all that comes
// of it.
func (d *driver) try(ctx context.Context, e deed, me, other *party, m mix, in disguise) (answer, error) {
	d.attempts++
	d.drain()
	a, err := e.do(ctx, d.host, me.Tenant, m.ids, in)
	if err != nil {
		return a, err
	}
	how := words("tenant "+me.Name, m.name, in.name)
	if where, is := other.shows(a); is {
		d.find(prove.Breach, "leak-"+where, e, "%s gets what is %s's: it is in the %s", how, other.Name, where)
	}
	d.sinks(e, me, other, how, m.name == "" && in.name == "")
	return a, nil
}

// sinks looks at what was written meanwhile.
func (d *driver) sinks(e deed, me, other *party, how string, own bool) {
	for i, s := range d.host.Sinks {
		for _, entry := range s.take() {
			if other.in(entry) {
				d.find(prove.Breach, "leak-"+s.Name, e, "%s is served, and what is %s's is written to the %s", how, other.Name, s.Name)
			}
			if s.Keys && own {
				me.keys[i][entry] = true
				if other.keys[i][entry] {
					d.find(prove.Breach, "shared-key", e, "requests of %s and of %s make the same entry in the %s: %q", me.Name, other.Name, s.Name, entry)
				}
			}
		}
	}
}

// drain forgets what nobody's attempt has written.
func (d *driver) drain() {
	for _, s := range d.host.Sinks {
		s.take()
	}
}

// untested finds what was not seen to work for its owner, and a test in which
// no owner sees anything of its own.
func (d *driver) untested() {
	for _, e := range d.deeds {
		if !d.works[e] {
			d.find(prove.Warning, "untested", e, "it does not work for its owner either, so nothing was tested")
		}
	}
	if !d.shown {
		d.report(prove.Breach, "untested", "*", "no answer shows an owner's canary: plant Tenant.Canary where routes show it")
	}
}

func (d *driver) safe() []deed { return d.those(true) }

func (d *driver) those(reads bool) []deed {
	var out []deed
	for _, e := range d.deeds {
		if e.reads() == reads {
			out = append(out, e)
		}
	}
	return out
}

// find reports a finding about a deed, once.
func (d *driver) find(s prove.Severity, code string, e deed, reason string, args ...any) {
	d.report(s, code, e.String(), e.String()+": "+fmt.Sprintf(reason, args...))
}

func (d *driver) report(s prove.Severity, code, object, reason string) {
	key := [2]string{code, object}
	if d.told[key] {
		return
	}
	d.told[key] = true
	d.found.Findings = append(d.found.Findings, prove.Finding{Severity: s, Code: code, Object: object, Reason: reason})
}

func words(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}
