package pace

import "time"

// MaxAhead is how far it pays to count who is ahead in a line.
const MaxAhead = 1000

// longestWait is after what time at the latest an order in a line is tried again.
const longestWait = 12 * time.Hour

// Again says when an order that had to wait is tried again, with so many ahead of
// it that wait for the same bucket: when there is room, if it is the next, and else
// after most of the time that those ahead take, at most half a day. The seed, mostly
// the host, spreads those who stand together. Nobody has a place that another
// could not take: who asks when there is room gets it.
//
// So a line of many thousand costs a few questions a minute, and needs nobody to
// hold it.
func (e *WaitError) Again(ahead int, seed string) time.Time {
	wait := min(time.Duration(min(ahead, MaxAhead))*e.Rate.Refill, longestWait)
	return between(e.Until.Add(wait/2), e.Until.Add(wait), seed, e.Until)
}

// Crowded reports whether so many ahead make a first certificate part of the
// Backlog: more than the bucket holds when it is full, so that even after a quiet
// day they would not all be served at once.
func (e *WaitError) Crowded(ahead int) bool { return ahead > e.Rate.Burst }
