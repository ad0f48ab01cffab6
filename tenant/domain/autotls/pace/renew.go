package pace

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"
)

// Window is when the authority wants a certificate to be renewed: suggestedWindow
// of RFC 9773, section 4.2.
type Window struct {
	Start, End time.Time
}

// short is the lifetime up to which a certificate is renewed in the middle of
// its life, and not after two thirds of it.
const short = 10 * 24 * time.Hour

// RenewAt says when a certificate is renewed: at a random point of the
// authority's window, as RFC 9773, section 4.2 has it, or else of a stretch of
// a sixth of the certificate's life, around two thirds of it (around the half, if it
// lives ten days or less). Of a certificate for 45 days that is from day 26 to
// day 34, so that those that were issued at once are renewed over a week, and
// eleven days are left at least.
//
// The point depends on the seed, which is mostly the host, the certificate's times
// and the window, so that it is the same on all nodes and after a restart. A
// point that has passed means now. A window that makes no sense, ending before it
// starts or starting in the last twelfth of the life, is not heeded; and one that
// ends there is cut off before, so that there is time left to try again.
func RenewAt(notBefore, notAfter time.Time, window *Window, seed string) time.Time {
	life := notAfter.Sub(notBefore)
	if life <= 0 {
		return notBefore
	}
	centre := life / 3 * 2
	if life <= short {
		centre = life / 2
	}
	from, until := notBefore.Add(centre-life/12), notBefore.Add(centre+life/12)
	if last := notAfter.Add(-life / 12); window != nil && window.Start.Before(window.End) && window.Start.Before(last) {
		from, until = window.Start, window.End
		if last.Before(until) {
			until = last
		}
	}
	return between(from, until, seed, notBefore, notAfter, from, until)
}

// between is a point that is the same for the same seed and times.
func between(from, until time.Time, seed string, times ...time.Time) time.Time {
	return from.Add(time.Duration(fraction(seed, times...) * float64(until.Sub(from))))
}

// fraction is a number from 0 to below 1.
func fraction(seed string, times ...time.Time) float64 {
	text := []byte(strconv.Quote(seed))
	for _, t := range times {
		text = binary.BigEndian.AppendUint64(text, uint64(t.Unix())) //nolint:gosec // any bits will do
	}
	sum := sha256.Sum256(text)
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// RetryAt says when an order that has failed is tried again, given how often it
// has failed in a row, this time included: after a minute, 5, 15, an hour, 4,
// 12, and then each day, which never uses up the limit of consecutive failures.
// A renewal is tried sooner, after a quarter of the time until its certificate's
// lapse, but not more often than each hour then. Up to a fifth more is added by the
// seed, so that what failed together is not tried together.
//
// For a first certificate the lapse is zero. RetryAt is for orders that fail for
// a reason of their own; if the authority is in trouble there is [Pause], and if
// there is no room in the budget [WaitError.Again].
func RetryAt(failed time.Time, failures int, lapse time.Time, seed string) time.Time {
	pauses := [...]time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute,
		time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	}
	pause := pauses[min(max(failures, 1), len(pauses))-1]
	if !lapse.IsZero() && pause > time.Hour {
		pause = max(time.Hour, min(pause, lapse.Sub(failed)/4))
	}
	return between(failed.Add(pause), failed.Add(pause+pause/5), seed, failed)
}
