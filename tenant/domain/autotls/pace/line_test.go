package pace_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// TestLine: nobody comes back before there is room, those ahead come first, and
// the last of very many within half a day.
func TestLine(t *testing.T) {
	t.Parallel()
	wait := &pace.WaitError{Until: begin(), Rate: pace.Rate{Burst: 240, Refill: 45 * time.Second}}
	if got := wait.Again(0, "a.example"); !got.Equal(begin()) {
		t.Errorf("the next comes at %v", got)
	}
	for _, ahead := range []int{1, 10, 500, 1_000_000} {
		longest := min(time.Duration(ahead)*45*time.Second, 12*time.Hour)
		different := map[time.Time]bool{}
		for n := range 20 {
			got := wait.Again(ahead, fmt.Sprint("h", n)).Sub(begin())
			if got < longest/2 || got > longest {
				t.Errorf("with %d ahead it comes back after %v", ahead, got)
			}
			different[begin().Add(got)] = true
		}
		if len(different) < 19 {
			t.Errorf("with %d ahead they come at %d times", ahead, len(different))
		}
	}
	if wait.Crowded(240) || !wait.Crowded(241) {
		t.Error("a full bucket is no crowd, and one more is")
	}
}

// TestReserves: each class leaves more than the one before it.
func TestReserves(t *testing.T) {
	t.Parallel()
	for class, want := range map[pace.Class]int{pace.Waiting: 240, pace.Renewal: 180, pace.Backlog: 120} {
		c := newClock()
		b := newBudget(t, c.ledger(), nil)
		if n, err := orders(t, c, b, class); n != want || err == nil {
			t.Errorf("%v: %d orders, %v", class, n, err)
		}
	}
	if got := pace.Renewing(5*day, 45*day); got != pace.Waiting {
		t.Errorf("a renewal at the end is %v", got)
	}
	if got := pace.Renewing(6*day, 45*day); got != pace.Renewal {
		t.Errorf("a renewal in time is %v", got)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	now := begin()
	var p pace.Pause
	paused := func() time.Duration {
		until, is := p.Until(now)
		if !is {
			return 0
		}
		return until.Sub(now)
	}
	fail := func(n int) {
		for range n {
			p.Trouble(now, 0)
		}
	}
	fail(2)
	p.Answered()
	fail(2)
	if got := paused(); got != 0 {
		t.Errorf("a hiccup pauses for %v", got)
	}
	fail(1)
	for _, minutes := range []int{1, 2, 4, 8, 10, 10} {
		want := time.Duration(minutes) * time.Minute
		fail(3) // of requests that were under way
		if got := paused(); got != want {
			t.Errorf("paused for %v, want %v", got, want)
		}
		now = now.Add(want)
		if got := paused(); got != 0 {
			t.Errorf("paused %v longer", got)
		}
		fail(3)
	}
	now = now.Add(time.Hour)
	p.Answered()
	for asked, want := range map[time.Duration]time.Duration{5 * time.Minute: 5 * time.Minute, time.Second: time.Minute, 48 * time.Hour: time.Hour} {
		p.Answered()
		p.Trouble(now, asked)
		if got := paused(); got != want {
			t.Errorf("asked for %v, paused for %v", asked, got)
		}
		now = now.Add(want)
	}
}
