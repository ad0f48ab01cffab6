package isolationtest

import (
	"strings"
	"sync"
)

// Sink is a place that the host writes to while it serves a request: a log, the
// keys of a cache, mail that is sent. It may be written to by many goroutines.
type Sink struct {
	// Name is what findings call it: "log".
	Name string
	// Keys says that two tenants have nothing in common there. An entry that
	// the requests of both make is a finding ("shared-key"): a cache whose
	// keys do not tell its tenants apart.
	Keys bool

	mu      sync.Mutex
	entries []string
}

// Write adds what a logger writes. It never fails.
func (s *Sink) Write(p []byte) (int, error) {
	s.Add(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// Add adds an entry.
func (s *Sink) Add(entry string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, entry)
}

// take returns the entries and forgets them.
func (s *Sink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.entries
	s.entries = nil
	return out
}
