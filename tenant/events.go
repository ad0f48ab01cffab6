package tenant

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
)

// events passes changes on to the subscribers. What waits is at most one event
// per tenant: later changes of the same tenant join the one that waits.
type events struct {
	log   *slog.Logger
	ready chan struct{}

	mu          sync.Mutex
	subscribers []*subscriber // replaced, never changed
	waiting     map[ID]*Event
	order       []ID
}

type subscriber struct {
	fn func(Event)

	mu        sync.Mutex
	cancelled bool
}

func newEvents(log *slog.Logger) *events {
	return &events{log: log, ready: make(chan struct{}, 1), waiting: make(map[ID]*Event)}
}

func (e *events) subscribe(fn func(Event)) (cancel func()) {
	s := &subscriber{fn: fn}
	e.mu.Lock()
	e.subscribers = append(slices.Clip(e.subscribers), s)
	e.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.cancelled = true
		s.mu.Unlock()
		e.mu.Lock()
		e.subscribers = slices.DeleteFunc(slices.Clone(e.subscribers), func(o *subscriber) bool { return o == s })
		e.mu.Unlock()
	}
}

// add queues one change; the zero Tenant stands for one that is not known.
func (e *events) add(before, after Tenant) {
	id := after.ID
	if id.IsZero() {
		id = before.ID
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.subscribers) == 0 {
		return
	}
	if w, ok := e.waiting[id]; ok {
		w.After = after
		return
	}
	e.waiting[id] = &Event{Before: before, After: after}
	e.order = append(e.order, id)
	signal(e.ready)
}

// addDifference queues what changed from one snapshot to another.
func (e *events) addDifference(before, after *snapshot) {
	for r := range after.all {
		t, old := r.tenant(), before.byID.find(Key{id: r.id}).tenant()
		if old.Version != t.Version || !same(old, t) {
			e.add(old, t)
		}
	}
	for old := range before.all {
		if after.byID.find(Key{id: old.id}) == nil {
			e.add(old.tenant(), Tenant{})
		}
	}
}

// run delivers until ctx ends.
func (e *events) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.ready:
		}
		for ctx.Err() == nil {
			event, subscribers, ok := e.take()
			if !ok {
				break
			}
			for _, s := range subscribers {
				e.deliver(s, event)
			}
		}
	}
}

func (e *events) take() (event Event, subscribers []*subscriber, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.order) > 0 {
		id := e.order[0]
		e.order = e.order[1:]
		event = *e.waiting[id]
		delete(e.waiting, id)
		if !event.Before.ID.IsZero() || !event.After.ID.IsZero() { // else it came and went meanwhile
			return event, e.subscribers, true
		}
	}
	e.order = nil // gives back what a burst took
	return Event{}, nil, false
}

func (e *events) deliver(s *subscriber, event Event) {
	s.mu.Lock()
	cancelled := s.cancelled
	s.mu.Unlock()
	if cancelled {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("tenant: a subscriber panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	s.fn(event)
}
