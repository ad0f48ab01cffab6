package riverwaker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
)

// TestWakesAnotherNode starts an operation on a node that does not work. The one
// that does has looked and found nothing, and looks again within the hour.
func TestWakesAnotherNode(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	k := single(nothing)
	first, second := open(t, db, -1, k), open(t, db, 2, k)
	began := time.Now()
	h := request(t, first, k)
	second.spy.next(t, h.ID(), func() {
		t.Logf("woken after %v", time.Since(began))
		if o := first.state(t, h.ID()); o.State != provisioning.Pending {
			t.Errorf("%s before anybody was woken", o.State)
		}
	})
	finish(t, h)
	settled(t, first.pool, h.ID())
}

// TestRetryElsewhere has a step ask for another try later, and stops the node
// that has done the first. Another is woken when it is time.
func TestRetryElsewhere(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	k := single(func(_ context.Context, r *run) error {
		if r.Token.Number == 1 {
			return provisioning.Later(5*time.Second, errors.New("not there yet"))
		}
		return nil
	})
	first := open(t, db, 2, k)
	h := request(t, first, k) // which first hears of by itself
	first.spy.next(t, h.ID(), func() {})
	for v, err := range h.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if v.Type == provisioning.Failed {
			break
		}
	}
	first.stop(t)
	second := open(t, db, 2, k)
	second.spy.next(t, h.ID(), func() {
		o := second.state(t, h.ID())
		late := time.Since(o.DueAt)
		t.Logf("woken %v after its time", late)
		if o.State != provisioning.Running || o.Owner != "" || late < 0 {
			t.Errorf("%s of %q before anybody was woken, %v after its time", o.State, o.Owner, late)
		}
	})
	finish(t, h)
}
