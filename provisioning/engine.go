package provisioning

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/partywall/partywall/internal/pgmigrate"
)

// Options are the settings of an [Engine]. The zero value, and nil, are good
// for production.
type Options struct {
	// Kinds are the kinds of operation that this engine can start and work on,
	// besides those of the Lifecycle.
	Kinds []Definition
	// Lifecycle is what it takes to make tenants, by [Engine.Provision], and to
	// end them, by [Engine.Remove]. Defaults to none, and neither can be done.
	Lifecycle *Lifecycle
	// Workers is how many operations this process works on at once; -1 is none:
	// it starts them and follows them. Defaults to 8.
	Workers int
	// Name says who this process is, for people. Defaults to host and process
	// number.
	Name string
	// Lease is how long an operation stays with a worker that is not heard of.
	// It is renewed at each third of it. Defaults to 5 seconds.
	Lease time.Duration
	// Sweep is how often the catalog is asked for operations that nobody was
	// woken for. Defaults to 2 seconds.
	Sweep time.Duration
	// Backoff is how long to wait before the nth attempt at a step, n from 2.
	// Defaults to a quarter of a second, doubled each time up to a minute,
	// with a third of it left to chance.
	Backoff func(attempt int) time.Duration
	// Classify says what an error means for its step; false leaves it to the
	// engine, which takes errors for [Transient] that it does not know. What
	// [Fail] and [Later] have marked is not asked about.
	Classify func(error) (Class, bool)
	// Waker wakes workers on other nodes. Defaults to none: they find what is
	// to do by Sweep.
	Waker Waker
	// Publisher is told what happens, at least once. Defaults to none.
	Publisher Publisher
	// SkipMigrations makes [Engine.Start] fail when tables are missing, instead
	// of making them.
	SkipMigrations bool
	// Meter has the instruments of package provisioning. Defaults to none.
	Meter metric.Meter
	// Logger gets what nobody is there to be told. Defaults to slog.Default.
	Logger *slog.Logger
	// Clock is the time for IDs. Leases and deadlines are by the catalog's
	// clock. Defaults to time.Now.
	Clock func() time.Time
}

// withDefaults returns a copy of o with the defaults filled in.
func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.Workers = cmp.Or(filled.Workers, 8)
	filled.Lease = cmp.Or(filled.Lease, 5*time.Second)
	filled.Sweep = cmp.Or(filled.Sweep, 2*time.Second)
	if filled.Name == "" {
		host, _ := os.Hostname() // it is for people
		filled.Name = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	if filled.Backoff == nil {
		filled.Backoff = backoff
	}
	if filled.Waker == nil {
		filled.Waker = noWaker{}
	}
	if filled.Meter == nil {
		filled.Meter = noop.Meter{}
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	if filled.Clock == nil {
		filled.Clock = time.Now
	}
	return filled
}

// validate returns every mistake at once.
func (o *Options) validate() error {
	var errs []error
	if o.Workers < -1 {
		errs = append(errs, invalid("Options.Workers is less than -1"))
	}
	if o.Lease < 100*time.Millisecond {
		errs = append(errs, invalid("Options.Lease is shorter than 100ms"))
	}
	if o.Sweep < 0 {
		errs = append(errs, invalid("Options.Sweep is negative"))
	}
	return errors.Join(errs...)
}

// Engine runs operations. All methods may be called from any goroutine.
type Engine struct {
	pool        *pgxpool.Pool
	opts        Options
	waker       Waker
	kinds       map[string]definition
	names       []string
	lifecycle   *lifecycle // nil without Options.Lifecycle
	instruments instruments
	followers   followers
	weights     weights

	mu      sync.Mutex
	worker  *worker // nil while it is not started
	stopped bool
}

// New returns an engine over the catalog's database, where tenants are kept too;
// they may be nil without a Lifecycle. It checks everything, and dials and
// starts nothing: it can start operations and follow them as soon as their
// tables are there, and works on them after [Engine.Start].
func New(pool *pgxpool.Pool, tenants Catalog, options *Options) (*Engine, error) {
	e := &Engine{pool: pool, opts: options.withDefaults(), kinds: map[string]definition{}}
	var errs []error
	if pool == nil {
		errs = append(errs, invalid("pool is nil"))
	}
	errs = append(errs, e.opts.validate())
	kinds := e.opts.Kinds
	if e.opts.Lifecycle != nil {
		var err error
		e.lifecycle, err = newLifecycle(e, tenants, *e.opts.Lifecycle)
		errs = append(errs, err)
		kinds = append(slices.Clone(kinds), e.lifecycle.kinds()...)
	}
	for _, k := range kinds {
		d, err := k.define()
		if _, twice := e.kinds[d.name]; twice {
			err = errors.Join(err, invalid("two kinds are called %q", d.name))
		}
		errs = append(errs, err)
		e.kinds[d.name] = d
		e.names = append(e.names, d.name)
	}
	var err error
	if e.instruments, err = newInstruments(e.opts.Meter); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	e.waker = e.opts.Waker
	return e, nil
}

func (e *Engine) definition(name string) (definition, error) {
	d, ok := e.kinds[name]
	if !ok {
		return d, invalid("kind %q is not among Options.Kinds", name)
	}
	return d, nil
}

//go:embed migrations
var files embed.FS

// Migrate brings the engine's tables, in the schema partywall_operations of the
// catalog, up to date. [Engine.Start] does it too.
func (e *Engine) Migrate(ctx context.Context) error {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	set := pgmigrate.Set{Schema: "partywall_operations", Files: sub}
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("provisioning: connecting to the catalog: %w", err)
	}
	defer conn.Release()
	if e.opts.SkipMigrations {
		err = pgmigrate.Check(ctx, conn.Conn(), set)
	} else {
		_, err = pgmigrate.Apply(ctx, conn.Conn(), set)
	}
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	return nil
}

// Start makes this process a worker, until [Engine.Stop]; ctx bounds starting
// alone. Workers on any number of nodes share what there is to do. A worker
// promises that what it begins is finished, or undone, by itself or by whichever
// worker is left: it may be killed at any time.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.Migrate(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.worker != nil || e.stopped {
		return errors.New("provisioning: engine was started before")
	}
	w := newWorker(e)
	if err := e.waker.Start(ctx, w.offer); err != nil {
		return fmt.Errorf("provisioning: starting the waker: %w", err)
	}
	e.worker = w
	w.start()
	return nil
}

// Stop ends what Start began. It begins nothing new, lets steps that are under
// way finish until ctx ends, interrupts them then, and returns when all have
// returned. What is not finished goes to other workers at once. It returns
// ctx's error if steps had to be interrupted.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	w := e.worker
	e.worker, e.stopped = nil, true
	e.mu.Unlock()
	if w == nil {
		return nil
	}
	err := e.waker.Stop(ctx)
	return errors.Join(w.stop(ctx), err)
}

// offer tells this process's worker, if it is one, of an operation to do.
func (e *Engine) offer(id ID) {
	e.mu.Lock()
	w := e.worker
	e.mu.Unlock()
	if w != nil {
		w.offer(id)
	}
}
