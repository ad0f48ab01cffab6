package schema

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/partywall/partywall/tenant"
)

// ApplyOptions are what [Fleet.Apply] may be told. The zero value means all
// places.
type ApplyOptions struct {
	// Query says whose places to bring up to date: those of a plan, of a
	// server, or pages of a list, for a rollout in waves. The tables that those
	// tenants share with others are among them. Defaults to everybody.
	Query tenant.Query
	// Verify looks into the places that the catalog takes for current, too, such
	// as after a restore from a backup.
	Verify bool
	// AcceptChanges goes on although migrations are others than when they first
	// ran, and remembers them as they are now. Where they have run, they do not
	// run again.
	AcceptChanges bool
	// Progress is called with each result of the report when it is there, one
	// at a time. It must not call the Fleet. Defaults to nothing.
	Progress func(Result)
}

// Apply brings the places of the fleet up to date, and returns what became of
// them: a place that fails stops no other, and Report.Err has the reasons.
// Apply may be ended at any time, by ctx or by the process's end, and goes on
// where it was when it is called again; places that are current and known to be
// so are not gone to. options may be nil.
//
// It fails, with what was done until then, when ctx ends, when so many places
// have failed as [FleetOptions] allows ([ErrStopped]), when migrations have
// changed since they ran (a [*ChangedError], and nothing is done), and when
// the catalog cannot be reached.
func (f *Fleet) Apply(ctx context.Context, options *ApplyOptions) (*Report, error) {
	began := time.Now()
	var opts ApplyOptions
	if options != nil {
		opts = *options
	}
	r := newRun(f, opts.Progress)
	defer func() { r.report.Took = time.Since(began) }()
	if err := f.ledger.open(ctx); err != nil {
		return &r.report, err
	}
	if !opts.AcceptChanges {
		if err := f.ledger.compare(ctx, f.migrations.list); err != nil {
			return &r.report, err
		}
	}
	sites, err := f.sites(ctx, opts.Query)
	if err != nil {
		return &r.report, err
	}
	known, err := f.ledger.all(ctx)
	if err != nil {
		return &r.report, err
	}
	err = r.all(ctx, r.sort(sites, known, opts.Verify))
	if err == nil && opts.Query.Matches(tenant.Tenant{}) {
		err = f.forget(ctx, sites, known)
	}
	return &r.report, err
}

// forget drops what the catalog knows of places that are no tenant's any more.
// Of one that comes at this moment it is found out anew. Servers that this
// process does not have are another's to know.
func (f *Fleet) forget(ctx context.Context, sites []*site, known map[key]entry) error {
	for _, s := range sites {
		delete(known, keyOf(s.Target))
	}
	servers := f.places.Servers()
	var gone []key
	for k := range known {
		if slices.Contains(servers, k.server) {
			gone = append(gone, k)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return f.ledger.forget(ctx, gone)
}

// sort counts what is current and returns what is to be done.
func (r *run) sort(sites []*site, known map[key]entry, verify bool) []*task {
	var tasks []*task
	m := r.fleet.migrations
	for _, s := range sites {
		e, found := known[keyOf(s.Target)]
		t := &task{site: s, known: e}
		switch {
		case s.err != nil:
			r.add(t, Result{Outcome: Failed, Err: placeError(s.Target, nil, "", s.err)})
		case found && !verify && e.release == m.release:
			r.report.Counts[Current]++
		case found && !verify && e.version > m.Latest():
			r.report.Counts[Ahead]++
		default:
			t.known.key, t.known.strategy = keyOf(s.Target), string(s.Strategy)
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// ErrStopped is returned by [Fleet.Apply] when so many places have failed that
// the rest was left.
var ErrStopped = errors.New("schema: stopped, since too many places have failed")
