package schema

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// run is one Apply under way.
type run struct {
	fleet    *Fleet
	progress func(Result)
	cancel   context.CancelCauseFunc

	mu      sync.Mutex
	report  Report
	news    []entry        // that the catalog has not been told
	ran     map[int64]bool // the versions that are known to have run somewhere
	told    time.Time
	telling error
}

func newRun(f *Fleet, progress func(Result)) *run {
	if progress == nil {
		progress = func(Result) {}
	}
	m := f.migrations
	return &run{fleet: f, progress: progress, report: Report{Release: m.release, Version: m.Latest(), Counts: map[Outcome]int{}}, ran: map[int64]bool{}, told: time.Now()}
}

// all does the tasks, those of shared tables first: schemas see them.
func (r *run) all(ctx context.Context, tasks []*task) error {
	outer := ctx
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	var shared, rest []*task
	for _, t := range tasks {
		if t.Strategy == tenant.Shared {
			shared = append(shared, t)
		} else {
			rest = append(rest, t)
		}
	}
	r.phase(ctx, shared)
	failed := map[string]bool{}
	for _, result := range r.report.Failed() {
		failed[result.Place.Server] = failed[result.Place.Server] || result.Place.Strategy == tenant.Shared
	}
	var free []*task
	for _, t := range rest {
		if t.Strategy == tenant.Schema && failed[t.Server] {
			r.add(t, Result{Outcome: Held, Version: t.known.version})
			continue
		}
		free = append(free, t)
	}
	r.phase(ctx, free)
	r.tell(context.WithoutCancel(ctx), 0)
	if outer.Err() == nil && context.Cause(ctx) != nil {
		return errors.Join(context.Cause(ctx), r.telling)
	}
	return errors.Join(outer.Err(), r.telling)
}

// phase does some tasks, and returns when all have ended.
func (r *run) phase(ctx context.Context, tasks []*task) {
	r.fleet.crew(ctx, tasks, job{
		arrive: func(conn *pgx.Conn) (func(*queue, *task), func(), error) {
			v, err := r.fleet.migrations.visitor(conn)
			if err != nil {
				return nil, nil, err
			}
			return func(q *queue, t *task) { r.visit(ctx, v, q, t) }, v.close, nil
		},
		missed: func(q *queue, t *task, err error) {
			t.attempts++
			r.settle(ctx, q, t, visit{version: t.known.version}, placeError(t.Target, nil, "", err))
		},
	})
	for _, t := range tasks {
		if !t.settled {
			r.add(t, Result{Outcome: Left, Version: t.known.version})
		}
	}
}

// visit does one task on a connection.
func (r *run) visit(ctx context.Context, v *visitor, q *queue, t *task) {
	began := time.Now()
	t.attempts++
	did, err := visit{version: t.known.version}, v.enter(ctx, t.Target)
	if err != nil {
		err = placeError(t.Target, nil, "", err)
	} else {
		did, err = v.bring(ctx, t.Target, false)
	}
	t.took += time.Since(began)
	r.settle(ctx, q, t, did, err)
}

// settle decides what becomes of a task.
func (r *run) settle(ctx context.Context, q *queue, t *task, did visit, err error) {
	result := Result{Outcome: Current, Version: did.version, Ran: did.ran}
	t.ran = append(t.ran, did.ran...)
	switch {
	case err != nil && ctx.Err() != nil:
		return // left, whatever came of it
	case err != nil && r.retry(q, t, err):
		return
	case noDatabase(err), err == nil && did.absent:
		result.Outcome = Absent
	case err != nil:
		result.Version = max(did.version, t.known.version) // it may not have been seen this time
		failure, ok := errors.AsType[*PlaceError](err)
		if ok {
			failure.Attempts = t.attempts
		}
		result.Outcome, result.Err = Failed, err
	case did.version > r.fleet.migrations.Latest():
		result.Outcome = Ahead
	case len(t.ran) > 0:
		result.Outcome = Applied
	}
	r.add(t, result)
	q.done()
	r.tell(ctx, time.Second)
}

// retry puts a task back if another attempt may help.
func (r *run) retry(q *queue, t *task, err error) bool {
	opts := &r.fleet.opts
	if errors.Is(err, errBusy) { // that is no failure of the place, and may take as long as it takes
		t.attempts--
		t.waits++
		q.again(t, opts.Backoff(t.waits+1))
		return true
	}
	if !Transient(err) || t.attempts >= opts.Attempts || r.fleet.unreachable(q) {
		return false
	}
	q.again(t, opts.Backoff(t.attempts+1))
	return true
}

func noDatabase(err error) bool { return hasCode(err, "3D000") } // invalid_catalog_name

// add takes a result into the report, and into what the catalog is to be told.
func (r *run) add(t *task, result Result) {
	result.Place, result.Tenant, result.Tenants = t.Target, t.tenant, t.tenants
	result.Ran, result.Attempts, result.Took = t.ran, t.attempts, t.took
	t.settled = true
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Counts[result.Outcome]++
	r.report.Results = append(r.report.Results, result)
	if e, ok := r.entry(t, result); ok {
		r.news = append(r.news, e)
	}
	for _, version := range t.ran {
		r.ran[version] = true
	}
	if result.Outcome == Current || result.Outcome == Applied {
		for _, step := range r.fleet.migrations.list {
			r.ran[step.Version] = true
		}
	}
	if n := r.fleet.opts.StopAfter; n > 0 && result.Outcome == Failed && r.report.Counts[Failed] >= n && r.cancel != nil {
		r.cancel(fmt.Errorf("%w: %d of them", ErrStopped, n))
	}
	r.progress(result)
}

// entry is what the catalog is to know of a result.
func (r *run) entry(t *task, result Result) (entry, bool) {
	e := t.known
	e.version, e.release, e.fingerprint, e.trouble = result.Version, "", "", trouble{}
	switch result.Outcome {
	case Current, Applied:
		e.release, e.attempts = r.report.Release, 0
	case Ahead:
		e.attempts = 0
	case Failed:
		failure, ok := errors.AsType[*PlaceError](result.Err)
		if !ok || t.err != nil { // a placement that leads nowhere is no place
			return entry{}, false
		}
		e.attempts += t.attempts
		e.trouble = trouble{
			version: failure.Version, file: failure.File, line: failure.Line,
			statement: failure.SQL, code: failure.Code, err: failure.Err.Error(),
		}
	default:
		return entry{}, false
	}
	return e, true
}

// most is how much news there is before the catalog is told in any case. What a
// killed process has not told is found out by the next visit.
const most = 100

// tell tells the catalog the news, if there is much, or it has waited for long.
func (r *run) tell(ctx context.Context, wait time.Duration) {
	r.mu.Lock()
	news := r.news
	if len(news) == 0 || len(news) < most && time.Since(r.told) < wait {
		r.mu.Unlock()
		return
	}
	var ran []Migration
	for _, step := range r.fleet.migrations.list {
		if r.ran[step.Version] {
			ran = append(ran, step)
		}
	}
	r.news, r.told = nil, time.Now()
	r.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	err := r.fleet.ledger.write(ctx, news)
	if err == nil {
		err = r.fleet.ledger.see(ctx, ran)
	}
	if err != nil {
		r.mu.Lock()
		r.telling = err // the places are right; the next Apply goes there again
		r.mu.Unlock()
		r.fleet.opts.Logger.WarnContext(ctx, "schema: the catalog does not know what was done", "places", len(news), "error", err)
	}
}
