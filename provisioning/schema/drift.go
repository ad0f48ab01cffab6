package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// Drifted is a place that is not like the others of its version.
type Drifted struct {
	Place isolation.Target
	// Tenant is whose place it is, the zero Tenant where there may be more.
	Tenant      tenant.Tenant
	Version     int64
	Fingerprint string
	// Differences say in what, in the order of what they are about.
	Differences []Difference
}

// DriftReport is what [Fleet.Drift] has found.
type DriftReport struct {
	// Places is how many places were looked at.
	Places int
	// Versions counts the places by the version that they are at.
	Versions map[int64]int
	// Drifted are the places that are not like most others of their version and
	// kind, by server, database and schema. Schemas are one kind, databases and
	// shared tables the other.
	Drifted []Drifted
}

// seen is a place that was looked at.
type seen struct {
	site        *site
	version     int64
	fingerprint string
}

// alike are the places that should have one shape.
type alike struct {
	version int64
	schema  bool
}

// Drift looks at the places of the tenants that q describes, and reports those
// that are not like the others: where somebody has made an index by hand, a
// grant, or a column. What is compared are tables, columns, types, defaults,
// constraints, indexes, policies, triggers, functions, views and grants, not
// rows, and not the schema's name.
//
// It changes nothing in the places. The catalog keeps the fingerprints; where it
// was wrong about a version, the next Apply goes there. Places that are not made
// yet are passed over; those that could not be looked at are in the error, beside
// the report of the others.
func (f *Fleet) Drift(ctx context.Context, q tenant.Query) (*DriftReport, error) {
	if err := f.ledger.open(ctx); err != nil {
		return nil, err
	}
	sites, err := f.sites(ctx, q)
	if err != nil {
		return nil, err
	}
	l := &look{fleet: f, shapes: map[string]shape{}, lists: map[key]map[string]contents{}}
	l.all(ctx, sites)
	report := l.report()
	return report, errors.Join(append(l.errs, ctx.Err(), l.remember(ctx))...)
}

// look is one Drift under way.
type look struct {
	fleet *Fleet

	reading sync.Mutex
	lists   map[key]map[string]contents // of each database, by schema; its key has no schema

	mu     sync.Mutex
	seen   []seen
	shapes map[string]shape // one for each fingerprint
	errs   []error
}

// all looks at all places.
func (l *look) all(ctx context.Context, sites []*site) {
	var tasks []*task
	for _, s := range sites {
		if s.err != nil {
			l.errs = append(l.errs, placeError(s.Target, nil, "", s.err))
			continue
		}
		tasks = append(tasks, &task{site: s})
	}
	failed := func(q *queue, t *task, err error) {
		q.done()
		if err == nil || noDatabase(err) || errors.Is(err, errAbsent) {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs = append(l.errs, placeError(t.Target, nil, "", err))
	}
	l.fleet.crew(ctx, tasks, job{
		arrive: func(conn *pgx.Conn) (func(*queue, *task), func(), error) {
			v, err := l.fleet.migrations.visitor(conn)
			if err != nil {
				return nil, nil, err
			}
			return func(q *queue, t *task) { failed(q, t, l.at(ctx, v, t)) }, v.close, nil
		},
		missed: failed,
	})
}

// at looks at one place.
func (l *look) at(ctx context.Context, v *visitor, t *task) error {
	if err := v.peek(ctx, t.Target); err != nil {
		return err
	}
	schemas, err := l.directory(ctx, v.live.conn, t)
	if err != nil {
		return err
	}
	s, err := l.fleet.migrations.shapeOf(ctx, v.live.conn, t.Schema, schemas[t.Schema])
	if err != nil {
		return err
	}
	fingerprint := s.fingerprint()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shapes[fingerprint] = s
	l.seen = append(l.seen, seen{t.site, v.versions.latest(), fingerprint})
	return nil
}

// directory lists what is in the database of a task, read once by whoever comes
// first.
func (l *look) directory(ctx context.Context, conn *pgx.Conn, t *task) (map[string]contents, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	database := key{server: t.Server, database: t.Database}
	if l.lists[database] == nil {
		list, err := directory(ctx, conn)
		if err != nil {
			return nil, err
		}
		l.lists[database] = list
	}
	return l.lists[database], nil
}

// report finds those that are not like most.
func (l *look) report() *DriftReport {
	report := &DriftReport{Places: len(l.seen), Versions: map[int64]int{}}
	counts := map[alike]map[string]int{}
	kind := func(s seen) alike { return alike{s.version, s.site.Strategy == tenant.Schema} }
	for _, s := range l.seen {
		report.Versions[s.version]++
		if counts[kind(s)] == nil {
			counts[kind(s)] = map[string]int{}
		}
		counts[kind(s)][s.fingerprint]++
	}
	for _, s := range l.seen {
		all := counts[kind(s)]
		most := slices.MaxFunc(slices.Sorted(maps.Keys(all)), func(a, b string) int { return cmp.Compare(all[a], all[b]) })
		if s.fingerprint != most {
			report.Drifted = append(report.Drifted, Drifted{
				Place: s.site.Target, Tenant: s.site.tenant, Version: s.version, Fingerprint: s.fingerprint,
				Differences: l.shapes[s.fingerprint].diff(l.shapes[most]),
			})
		}
	}
	slices.SortFunc(report.Drifted, func(a, b Drifted) int { return keyOf(a.Place).compare(keyOf(b.Place)) })
	return report
}

// remember tells the catalog the fingerprints, and the versions where it was
// wrong.
func (l *look) remember(ctx context.Context) error {
	known, err := l.fleet.ledger.all(ctx)
	if err != nil {
		return err
	}
	var news []entry
	for _, s := range l.seen {
		e := known[keyOf(s.site.Target)]
		if e.version != s.version {
			e.version, e.release = s.version, ""
		}
		e.key, e.strategy, e.fingerprint = keyOf(s.site.Target), string(s.site.Strategy), s.fingerprint
		news = append(news, e)
	}
	if len(news) == 0 {
		return nil
	}
	return l.fleet.ledger.write(ctx, news)
}

// String is for people: a line for each difference.
func (r *DriftReport) String() string {
	text := &strings.Builder{}
	fmt.Fprintf(text, "%d places, %d not like the others", r.Places, len(r.Drifted))
	for _, d := range r.Drifted {
		for _, difference := range d.Differences {
			fmt.Fprintf(text, "\n%s: %s.%s: %s", d.Place.Server, d.Place.Database, d.Place.Schema, difference)
		}
	}
	return text.String()
}
