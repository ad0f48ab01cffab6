package autotls

import (
	"sync"
	"time"
)

// rests remembers, on this node, for which names there is nothing to be had
// until when, so that handshakes cost neither an order nor a query.
type rests struct {
	mu    sync.Mutex
	until map[string]rest
}

type rest struct {
	until time.Time
	err   error
}

// maxRests bounds what is remembered: only names that may be served come here.
const maxRests = 10_000

func (r *rests) get(name string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.until[name]
	if !ok {
		return nil
	}
	if !now.Before(found.until) {
		delete(r.until, name)
		return nil
	}
	return found.err
}

func (r *rests) put(name string, until time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) >= maxRests {
		for other := range r.until { // any will do
			delete(r.until, other)
			break
		}
	}
	r.until[name] = rest{until, err}
}

func (r *rests) drop(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until, name)
}
