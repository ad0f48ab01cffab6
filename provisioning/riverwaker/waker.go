package riverwaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/partywall/partywall/provisioning"
)

// ErrInvalid is returned for settings that make no sense; the error says what is
// wrong with them.
var ErrInvalid = errors.New("riverwaker: invalid")

// Options are the settings of a [Waker] with a River client of its own. The
// zero value, and nil, are good for production.
type Options struct {
	// Schema is where River's tables are. A host that looks at its jobs with
	// River UI names it there too. Defaults to "partywall_river".
	Schema string
	// Queue is what the jobs are queued in. Processes that know different kinds
	// of operations have different queues, or else one may be woken for what
	// only another can do. Defaults to "partywall".
	Queue string
	// MaxWorkers is how many jobs this process takes at once; -1 is none, for a
	// process whose engine has no workers, and would be woken in vain. About as
	// many as the engine has workers leave what is more to other processes.
	// Defaults to 8.
	MaxWorkers int
	// SkipMigrations makes [Waker.Start] fail with [ErrTables] when tables are
	// missing, instead of making them.
	SkipMigrations bool
	// Logger gets what River has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// withDefaults returns a copy of o with the defaults filled in.
func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.Schema = cmp.Or(filled.Schema, "partywall_river")
	filled.Queue = cmp.Or(filled.Queue, "partywall")
	filled.MaxWorkers = cmp.Or(filled.MaxWorkers, 8)
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	return filled
}

// Waker is a [provisioning.Waker]. Its methods may be called from any goroutine;
// it serves one engine.
type Waker struct {
	client *river.Client[pgx.Tx]
	worker *Worker
	queue  string
	tables *tables // nil when the client is the host's
	works  bool    // so that the client is to be started

	mu   sync.Mutex
	halt context.CancelFunc // of the client; nil while it does not run
}

var _ provisioning.Waker = (*Waker)(nil)

// New returns a waker with a River client of its own over the catalog's
// database. It checks everything, and dials and starts nothing.
func New(pool *pgxpool.Pool, options *Options) (*Waker, error) {
	o := options.withDefaults()
	if pool == nil {
		return nil, fmt.Errorf("%w: pool is nil", ErrInvalid)
	}
	if o.MaxWorkers < -1 {
		return nil, fmt.Errorf("%w: Options.MaxWorkers is less than -1", ErrInvalid)
	}
	worker := new(Worker)
	config := &river.Config{
		Schema: o.Schema, Logger: o.Logger, Workers: river.NewWorkers(),
		// A job of a process that was killed is another's soon.
		JobTimeout: jobTimeout, RescueStuckJobsAfter: 2 * jobTimeout,
		// What has woken is of no interest any more.
		CompletedJobRetentionPeriod: time.Hour,
	}
	if o.MaxWorkers > 0 {
		config.Queues = map[string]river.QueueConfig{o.Queue: {MaxWorkers: o.MaxWorkers}}
	}
	driver := riverpgxv5.New(pool)
	if err := river.AddWorkerSafely(config.Workers, worker); err != nil {
		return nil, fmt.Errorf("riverwaker: %w", err)
	}
	client, err := river.NewClient(driver, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	t, err := newTables(pool, driver, o)
	if err != nil {
		return nil, err
	}
	return &Waker{client: client, worker: worker, queue: o.Queue, tables: t, works: o.MaxWorkers > 0}, nil
}

// NewWith returns a waker that shares the host's River client, whose tables are
// in the catalog's database:
//
//	worker := new(riverwaker.Worker)
//	river.AddWorker(workers, worker)
//	client, err := river.NewClient(driver, &river.Config{Workers: workers, Queues: ...})
//	...
//	waker, err := riverwaker.NewWith(client, worker, river.QueueDefault)
//
// The client works the queue. It is the host's to migrate for, to start and to
// stop; what is due while it runs and no engine does waits for one.
func NewWith(client *river.Client[pgx.Tx], worker *Worker, queue string) (*Waker, error) {
	switch {
	case client == nil:
		return nil, fmt.Errorf("%w: client is nil", ErrInvalid)
	case worker == nil:
		return nil, fmt.Errorf("%w: worker is nil", ErrInvalid)
	case queue == "":
		return nil, fmt.Errorf("%w: queue is empty", ErrInvalid)
	}
	return &Waker{client: client, worker: worker, queue: queue}, nil
}

// Start implements [provisioning.Waker]. ctx bounds starting alone. Unless the
// client is the host's, it brings River's tables up to date as [Waker.Migrate]
// does, or fails with [ErrTables].
func (w *Waker) Start(ctx context.Context, wake func(provisioning.ID)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.halt != nil || !w.worker.wake.CompareAndSwap(nil, &wake) {
		return errors.New("riverwaker: started before, and not stopped yet")
	}
	if err := w.startClient(ctx); err != nil {
		w.worker.wake.Store(nil)
		return err
	}
	return nil
}

// startClient starts the client, if it is ours and has something to work.
func (w *Waker) startClient(ctx context.Context) error {
	if w.tables == nil {
		return nil
	}
	if err := w.tables.ready(ctx); err != nil || !w.works {
		return err
	}
	// River runs for as long as the context that it was started with.
	life, halt := context.WithCancel(context.WithoutCancel(ctx))
	started := context.AfterFunc(ctx, halt)
	err := w.client.Start(life)
	if !started() {
		err = ctx.Err()
	}
	if err != nil {
		halt()
		return fmt.Errorf("riverwaker: starting River: %w", err)
	}
	w.halt = halt
	return nil
}

// Stop implements [provisioning.Waker]. It returns when no job wakes this process
// any more, or with ctx's error; River then ends by itself, and to call Stop
// again waits for that. What it had fetched goes to others.
func (w *Waker) Stop(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.worker.wake.Store(nil)
	if w.halt == nil {
		return nil
	}
	err := w.client.Stop(ctx)
	w.halt()
	if err != nil {
		return fmt.Errorf("riverwaker: stopping River: %w", err)
	}
	w.halt = nil
	return nil
}

// Wake implements [provisioning.Waker]. It needs no Start, and River's tables
// alone. An operation has at most one job that waits for now, and one for each
// later moment: one for all would wake too early or too late for some of them.
func (w *Waker) Wake(ctx context.Context, tx pgx.Tx, id provisioning.ID, at time.Time) error {
	now := time.Now()
	job, o := Job{Operation: id}, river.InsertOpts{Queue: w.queue}
	if at.After(now) {
		job.At, o.ScheduledAt = at.UTC(), at
	}
	found, err := w.insert(ctx, tx, job, o)
	if err == nil && found == rivertype.JobStateRunning {
		// Who was woken by that one may have looked already, and cannot have
		// seen what tx writes.
		job.At = now.UTC()
		_, err = w.insert(ctx, tx, job, o)
	}
	if err != nil {
		return fmt.Errorf("riverwaker: having operation %s woken: %w", id, err)
	}
	return nil
}

// insert adds a job, unless there is one that has not ended. It returns the
// state of that one, which cannot change before tx ends.
func (w *Waker) insert(ctx context.Context, tx pgx.Tx, job Job, o river.InsertOpts) (found rivertype.JobState, err error) {
	o.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}
	r, err := w.client.InsertTx(ctx, tx, job, &o)
	if err != nil || !r.UniqueSkippedAsDuplicate {
		return "", err
	}
	return r.Job.State, nil
}
