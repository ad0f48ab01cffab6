package isolationtest

import (
	"context"
	"slices"
	"sync"

	"github.com/partywall/partywall/isolation/prove"
)

// interference gives the other more, and looks whether that changes what a
// tenant is answered: a sum over all tenants holds no canary.
func (d *driver) interference(ctx context.Context, me, other *party) error {
	if d.host.Seed == nil {
		return nil
	}
	changed, err := d.confirmed(ctx, me, other, func() error { return other.seed(ctx, d.host) })
	for _, e := range changed {
		d.find(prove.Breach, "interference", e, "what tenant %s is answered changes when %s has more", me.Name, other.Name)
	}
	return err
}

// confirmed returns what a tenant is answered differently after something was
// done, and each time it is done: a clock that has moved on is no finding.
func (d *driver) confirmed(ctx context.Context, me, other *party, do func() error) ([]deed, error) {
	changed, err := d.changed(ctx, me, other, do)
	if err != nil || len(changed) == 0 || d.host.Seed == nil {
		return changed, err // without seeding it cannot be done twice
	}
	if err := d.seed(ctx); err != nil { // what was lost has to be there to be lost again
		return nil, err
	}
	again, err := d.changed(ctx, me, other, do)
	return slices.DeleteFunc(changed, func(e deed) bool { return !slices.Contains(again, e) }), err
}

// changed returns what a tenant is answered differently after something was
// done, of what does not change by itself.
func (d *driver) changed(ctx context.Context, me, other *party, do func() error) ([]deed, error) {
	var pictures [3]map[deed]string
	for i := range pictures {
		if i == 2 {
			if err := do(); err != nil {
				return nil, err
			}
		}
		var err error
		if pictures[i], err = d.picture(ctx, me, other); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(d.safe(), func(e deed) bool {
		return pictures[0][e] != pictures[1][e] || pictures[0][e] == pictures[2][e]
	}), nil
}

// picture is what a tenant is answered to all that changes nothing.
func (d *driver) picture(ctx context.Context, me, other *party) (map[deed]string, error) {
	out := map[deed]string{}
	for _, e := range d.safe() {
		a, err := d.try(ctx, e, me, other, mix{"", me.IDs}, disguise{})
		if err != nil {
			return nil, err
		}
		out[e] = a.status + "\n" + a.body()
	}
	return out, nil
}

// writing does what changes things as one with the other's identifiers, and
// looks whether the other still has what it had. Each time the other has
// something new that is there to be lost.
func (d *driver) writing(ctx context.Context, me, other *party) error {
	for _, e := range d.those(false) {
		if err := d.seed(ctx); err != nil {
			return err
		}
		changed, err := d.confirmed(ctx, other, me, func() error { return d.ways(ctx, e, me, other) })
		if err != nil {
			return err
		}
		for _, seen := range changed {
			d.find(prove.Breach, "changed", e, "tenant %s changes what %s is answered by %s", me.Name, other.Name, seen)
		}
		if err := d.ownWrite(ctx, e, other, me); err != nil {
			return err
		}
	}
	return nil
}

// ownWrite does it as the owner: the control of writing. It comes last, since
// what is deleted cannot be stolen.
func (d *driver) ownWrite(ctx context.Context, e deed, owner, other *party) error {
	a, err := d.try(ctx, e, owner, other, mix{"", owner.IDs}, disguise{})
	d.works[e] = d.works[e] || a.ok
	return err
}

// rounds is how often both ask at once.
const rounds = 20

// together asks as both at once: what handlers keep in common, as a buffer that
// is handed out twice, goes astray then. What sinks hear cannot be told apart.
func (d *driver) together(ctx context.Context) error {
	var asking sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i, me := range d.parties {
		asking.Go(func() {
			for range rounds {
				for _, e := range d.safe() {
					a, err := e.do(ctx, d.host, me.Tenant, me.IDs, disguise{})
					mu.Lock()
					d.attempts++
					if err != nil {
						failed = err
					}
					if where, is := d.parties[1-i].shows(a); is {
						d.find(prove.Breach, "leak-"+where, e, "when both ask at once tenant %s gets what is %s's: it is in the %s", me.Name, d.parties[1-i].Name, where)
					}
					mu.Unlock()
				}
			}
		})
	}
	asking.Wait()
	return failed
}
