package pace_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// TestRenewAtSpreads takes 10,000 certificates that were issued within an hour.
func TestRenewAtSpreads(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		life, from, until time.Duration
		window            *pace.Window
		perHour           int
	}{
		"45 days": {45 * day, 26*day + 6*time.Hour, 33*day + 19*time.Hour, nil, 90},
		"90 days": {90 * day, 52*day + 12*time.Hour, 67*day + 13*time.Hour, nil, 55},
		"6 days":  {160 * time.Hour, 66 * time.Hour, 95 * time.Hour, nil, 450},
		"window":  {45 * day, 30 * day, 31 * day, &pace.Window{Start: begin().Add(30 * day), End: begin().Add(31 * day)}, 500},
		"window past": {
			45 * day, -2 * day, -day, &pace.Window{Start: begin().Add(-2 * day), End: begin().Add(-day)}, 500,
		},
		"window that ends late": {
			48 * day, 40 * day, 44*day + time.Hour, &pace.Window{Start: begin().Add(40 * day), End: begin().Add(90 * day)}, 150,
		},
		"window that starts late": {
			45 * day, 26*day + 6*time.Hour, 33*day + 19*time.Hour, &pace.Window{Start: begin().Add(44 * day), End: begin().Add(46 * day)}, 90,
		},
		"window backwards": {
			45 * day, 26*day + 6*time.Hour, 33*day + 19*time.Hour, &pace.Window{Start: begin().Add(30 * day), End: begin().Add(29 * day)}, 90,
		},
		"endless window": {
			45 * day, math.MinInt64, 44 * day, &pace.Window{End: begin().AddDate(9000, 0, 0)}, 10_000,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hours := map[time.Duration]int{}
			for n := range 10_000 {
				issued := begin().Add(time.Duration(n) * time.Hour / 10_000)
				at := pace.RenewAt(issued, issued.Add(test.life), test.window, host(n))
				after := at.Sub(begin())
				if after < test.from || after > test.until {
					t.Fatalf("renewed after %v, not from %v to %v", after, test.from, test.until)
				}
				hours[after.Truncate(time.Hour)]++
				if !at.Equal(pace.RenewAt(issued, issued.Add(test.life), test.window, host(n))) {
					t.Fatal("the time moves")
				}
			}
			for hour, n := range hours {
				if n > test.perHour {
					t.Errorf("%d in hour %v", n, hour)
				}
			}
		})
	}
	if at := pace.RenewAt(begin(), begin(), nil, ""); !at.Equal(begin()) {
		t.Errorf("a certificate without life is renewed %v", at)
	}
}

func TestRetryAt(t *testing.T) {
	t.Parallel()
	var none time.Time
	tests := map[string]struct {
		failures int
		lapse    time.Time
		pause    time.Duration
	}{
		"none":            {0, none, time.Minute},
		"first":           {1, none, time.Minute},
		"third":           {3, none, 15 * time.Minute},
		"seventh":         {7, none, day},
		"thousandth":      {1000, none, day},
		"long life":       {7, begin().Add(11 * day), day},
		"short life":      {7, begin().Add(20 * time.Hour), 5 * time.Hour},
		"about to lapse":  {7, begin().Add(time.Hour), time.Hour},
		"lapsed":          {7, begin().Add(-day), time.Hour},
		"first of a life": {1, begin().Add(20 * time.Hour), time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			different := map[time.Time]bool{}
			for n := range 100 {
				at := pace.RetryAt(begin(), test.failures, test.lapse, host(n))
				if wait := at.Sub(begin()); wait < test.pause || wait > test.pause*6/5 {
					t.Errorf("waits %v, not %v", wait, test.pause)
				}
				different[at] = true
			}
			if len(different) < 90 {
				t.Errorf("only %d of 100 are different", len(different))
			}
		})
	}
}

// TestRetriesNeverPause lets an order fail for ten years and looks that the
// authority would not have paused the name, which only a person can undo.
func TestRetriesNeverPause(t *testing.T) {
	t.Parallel()
	a := newAuthority(45 * day)
	now := begin()
	for failures := 1; now.Before(begin().AddDate(10, 0, 0)); failures++ {
		if got, _ := a.order(now, account, []string{"a.example"}, strings.ToLower, 0, false, false); got != invalid {
			t.Fatalf("try %d after %v: %v", failures, now.Sub(begin()), a.refused)
		}
		now = pace.RetryAt(now, failures, time.Time{}, "a.example")
	}
	if len(a.refused) > 0 {
		t.Error(a.refused)
	}
}
