package schema

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// Planned is what [Fleet.Apply] would run in one place.
type Planned struct {
	Place isolation.Target
	// Tenant is whose place it is, the zero Tenant where there may be more.
	Tenant tenant.Tenant
	// Version is the highest that has run in the place.
	Version int64
	// Runs are the migrations that the place lacks, in order.
	Runs []Migration
	// Err says why the place cannot be planned for: an [*OrderError], or one
	// that could not be reached.
	Err error
}

// Plan returns what [Fleet.Apply] with the same options would run where, in the
// order in which it would begin, and changes nothing in the places. Places that
// have nothing to run, and those that are not made yet, are left out. It fails
// as Apply does; what is wrong with a single place is in its Planned.
func (f *Fleet) Plan(ctx context.Context, options *ApplyOptions) ([]Planned, error) {
	var opts ApplyOptions
	if options != nil {
		opts = *options
	}
	if err := f.ledger.open(ctx); err != nil {
		return nil, err
	}
	sites, err := f.sites(ctx, opts.Query)
	if err != nil {
		return nil, err
	}
	known, err := f.ledger.all(ctx)
	if err == nil && !opts.AcceptChanges {
		err = f.ledger.compare(ctx, f.migrations.list)
	}
	if err != nil {
		return nil, err
	}
	r := newRun(f, nil)
	tasks := r.sort(sites, known, opts.Verify)
	p := &planner{fleet: f, found: map[*site]Planned{}}
	p.all(ctx, tasks)
	return p.list(sites), ctx.Err()
}

// planner is one Plan under way.
type planner struct {
	fleet *Fleet

	mu    sync.Mutex
	found map[*site]Planned
}

func (p *planner) all(ctx context.Context, tasks []*task) {
	end := func(q *queue, t *task, runs []Migration, version int64, err error) {
		q.done()
		if noDatabase(err) || errors.Is(err, errAbsent) || err == nil && len(runs) == 0 {
			return
		}
		if err != nil {
			err = placeError(t.Target, nil, "", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.found[t.site] = Planned{Place: t.Target, Tenant: t.tenant, Version: version, Runs: runs, Err: err}
	}
	p.fleet.crew(ctx, tasks, job{
		arrive: func(conn *pgx.Conn) (func(*queue, *task), func(), error) {
			v, err := p.fleet.migrations.visitor(conn)
			if err != nil {
				return nil, nil, err
			}
			return func(q *queue, t *task) {
				var runs []Migration
				err := v.peek(ctx, t.Target)
				if err == nil {
					runs, err = p.fleet.migrations.pending(v.versions.done)
				}
				end(q, t, runs, v.versions.latest(), err)
			}, v.close, nil
		},
		missed: func(q *queue, t *task, err error) { end(q, t, nil, 0, err) },
	})
}

// list is in the order of the sites, which is that of Apply.
func (p *planner) list(sites []*site) []Planned {
	var list []Planned
	for _, s := range sites {
		if planned, ok := p.found[s]; ok {
			list = append(list, planned)
		}
		if s.err != nil {
			list = append(list, Planned{Place: s.Target, Tenant: s.tenant, Err: placeError(s.Target, nil, "", s.err)})
		}
	}

	return list
}
