package pace

import (
	"sync"
	"time"
)

// Pause leaves an authority alone that is in trouble. After three requests in a
// row that it has not answered, or answered with an error of its own (5xx), it is
// not asked for a minute, then two, and up to ten as long as its trouble lasts.
// The zero Pause is ready, and safe for concurrent use.
type Pause struct {
	mu    sync.Mutex
	row   int // requests without an answer, since the last pause
	times int // pauses in a row
	until time.Time
}

const (
	patience     = 3
	firstPause   = time.Minute
	longestPause = 10 * time.Minute
	longestAsked = time.Hour // that the authority itself may ask for
)

// Until returns until when the authority is left alone; false if it isn't.
func (p *Pause) Until(now time.Time) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until, now.Before(p.until)
}

// Trouble notes a request without an answer, and for how long the authority has
// asked to be left alone with it (Retry-After); zero if it has not.
func (p *Pause) Trouble(now time.Time, asked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.until) {
		return // one that was sent before
	}
	if p.row++; p.row < patience && asked <= 0 {
		return
	}
	pause := min(firstPause<<min(p.times, 4), longestPause)
	p.until = now.Add(max(pause, min(asked, longestAsked)))
	p.row, p.times = 0, p.times+1
}

// Answered notes a request that was answered, whatever the answer.
func (p *Pause) Answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.row, p.times = 0, 0
}
