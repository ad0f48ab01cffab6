package autotls

import (
	"sync"
	"sync/atomic"
)

// shelf keeps certificates in memory, up to a number. A look-up takes no lock
// that others wait for. Of eight picked by chance, the one goes that has not
// been asked for for longest.
type shelf struct {
	limit int
	clock atomic.Int64 // counts what has been put in

	mu      sync.RWMutex
	entries map[string]*entry
}

type entry struct {
	*certificate

	used atomic.Int64 // the shelf's clock at the last look-up
}

func newShelf(limit int) *shelf { return &shelf{limit: limit, entries: map[string]*entry{}} }

// get returns what is kept under a name, or nil.
func (s *shelf) get(name string) *certificate {
	s.mu.RLock()
	e := s.entries[name]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	if now := s.clock.Load(); e.used.Load() != now { // most find it so, and write nothing
		e.used.Store(now)
	}
	return e.certificate
}

func (s *shelf) put(name string, c *certificate) {
	e := &entry{certificate: c}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.used.Store(s.clock.Add(1))
	if _, there := s.entries[name]; !there && len(s.entries) >= s.limit {
		s.evict()
	}
	s.entries[name] = e
}

// evict makes room for one.
func (s *shelf) evict() {
	var oldest string
	var used int64
	picked := 0
	for name, e := range s.entries { // whose order is by chance
		if u := e.used.Load(); picked == 0 || u < used {
			oldest, used = name, u
		}
		if picked++; picked == 8 {
			break
		}
	}
	delete(s.entries, oldest)
}

func (s *shelf) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, name)
}

func (s *shelf) len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.entries)
}
