package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	loadConns   = 32 // of each way
	schemaConns = 4
	loadTenants = 1000
)

// loads returns what there is to measure with many clients at once, over one line.
func (h *house) loads(ctx context.Context, over line, only string) ([]*load, error) {
	m := &crews{house: h, ctx: ctx, base: over.url, ids: 50 * idRange}
	if over.slow {
		m.ids *= 3
	}
	shared, err := m.shared()
	if err == nil {
		err = acquaint(over, loadConns, len(h.crowd.shared), shared)
	}
	if err != nil {
		return nil, err
	}
	var all []*load
	mixes := []struct {
		name string
		draw draw
	}{{"one tenant", alone}, {"uniform", uniform(len(h.crowd.shared))}, {"Zipf", zipf(len(h.crowd.shared))}}
	for _, mix := range mixes {
		for _, clients := range []int{1, 8, loadConns} {
			all = append(all, newLoad(over, "point, "+mix.name, clients, mix.draw, shared))
		}
	}
	inserts := newLoad(over, "insert, Zipf", loadConns, zipf(len(h.crowd.shared)), shared)
	for i, w := range inserts.ways {
		w.visit = shared[i].insert
	}
	all = append(all, inserts)
	if many := len(h.crowd.schemas); many > 0 {
		own, err := m.schemas()
		if err == nil {
			err = acquaint(over, schemaConns, many, own)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, newLoad(over, fmt.Sprintf("point, %d schemas", many), schemaConns, uniform(many), own))
	}
	return slices.DeleteFunc(all, func(l *load) bool { return !l.keep(only) }), nil
}

// newLoad makes a load of points. Its bursts are long enough for one statement in
// a hundred to be told, and short enough for a burst of each way to meet the same
// weather.
func newLoad(over line, name string, clients int, d draw, crews []crew) *load {
	l := &load{transport: over.name, name: fmt.Sprintf("%s, %d", name, clients), clients: clients, draw: d, each: max(320/clients, 16)}
	if over.slow {
		l.each = min(l.each, 80)
	}
	for _, c := range crews {
		l.ways = append(l.ways, &loadWay{name: c.name, visit: c.point, counts: c.counts, memory: c.memory})
	}
	return l
}

// acquaint has all connections of each way meet most tenants: sessions that have
// been there for a while have their statements prepared and know the fences.
func acquaint(over line, clients, many int, crews []crew) error {
	l := newLoad(over, "acquaintance", clients, uniform(many), crews)
	l.each = 3 * many / 2
	return l.round(rand.New(rand.NewPCG(1, 2))) //nolint:gosec // G404: turns, not secrets
}

// keep leaves out the ways that were not asked for, but never the first, and says
// whether anything is left.
func (l *load) keep(only string) bool {
	base := l.ways[0]
	kept := 0
	l.ways = slices.DeleteFunc(l.ways, func(w *loadWay) bool {
		asked := strings.Contains(l.transport+"/"+l.name+"/"+w.name, only)
		if asked {
			kept++
		}
		return !asked && w != base
	})
	return kept > 0
}
