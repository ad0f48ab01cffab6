package isolation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/affinity"
	"github.com/partywall/partywall/internal/fencing"
	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
)

// server is one of the host's PostgreSQL clusters: a budget of connections and
// the databases they go to.
type server struct {
	name   string
	config Server
	opts   *Options
	app    *pgx.ConnConfig
	budget int
	group  *affinity.Group[*conn]
	system *place // nil without a System URL

	// So that news of many tenants, and the first use of many databases, take a
	// few connections only.
	telling, looking turn

	asker  *asker
	spares *spares

	mu        sync.Mutex
	databases map[string]*database
	closed    bool
	allowed   map[prove.Allow]bool   // entries of Options.Allow that were needed here
	told      map[prove.Finding]bool // findings that were logged
}

// place is where a tenant's statements go: a database through the eyes of one
// role.
type place struct {
	server *server
	group  *affinity.Group[*conn]
	pool   *affinity.Pool[*conn]
	dialer *dialer
}

// database is one database of a server, opened when it is first needed.
type database struct {
	place

	name  string
	ready turn        // taken while it is being looked at
	safe  atomic.Bool // it has been, and the wall is standing
}

// defaultBudget is how many connections a server's tenants share.
const defaultBudget = 32

// newServer checks a server's configuration. It dials nothing.
func newServer(name string, config Server, opts *Options) (*server, error) {
	s := &server{
		name: name, config: config, opts: opts, databases: map[string]*database{},
		allowed: map[prove.Allow]bool{}, told: map[prove.Finding]bool{},
		budget: cmp.Or(config.MaxConns, defaultBudget), telling: newTurn(4), looking: newTurn(2),
	}
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("isolation: server %q: "+format, append([]any{name}, args...)...))
	}
	if err := tenant.ValidateName("server", name); err != nil {
		errs = append(errs, err)
	}
	var err error
	if s.app, err = parseURL(config.App); err != nil {
		wrong("App: %w", err)
	}
	for field, url := range map[string]string{"Migrator": config.Migrator, "System": config.System} {
		if url == "" {
			continue
		}
		if _, err := parseURL(url); err != nil {
			wrong("%s: %w", field, err)
		}
	}
	if config.Migrator == "" && len(config.Keys) == 0 {
		wrong("needs a Migrator to read the signing keys, or Keys")
	}
	for _, k := range config.Keys {
		if err := k.validate(); err != nil {
			wrong("Keys: %w", err)
		}
	}
	if config.MaxConns < 0 {
		wrong("MaxConns is negative")
	}
	if config.Pooled && opts.Hostile {
		wrong("Hostile needs connections of one's own, and App is Pooled")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.asker = &asker{server: s, wanted: map[*ask]bool{}}
	s.spares = &spares{server: s}
	s.group = affinity.NewGroup[*conn](s.budget, opts.Clock)
	return s, nil
}

// parseURL reads a connection string, and keeps what is secret in it out of
// the error.
func parseURL(url string) (*pgx.ConnConfig, error) {
	if url == "" {
		return nil, errors.New("no connection string")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("not a PostgreSQL connection string")
	}
	return config, nil
}

// open brings the wall up to date and looks at the database that the Shared
// and Schema placements are in.
func (s *server) open(ctx context.Context) error {
	s.warnOfPlaintext(ctx)
	if s.config.Migrator != "" {
		if err := s.bootstrap(ctx, s.app.Database, s.opts.Schema); err != nil {
			return fmt.Errorf("isolation: server %q: %w", s.name, err)
		}
	}
	if s.config.System != "" {
		if err := s.openSystem(); err != nil {
			return err
		}
	}
	_, err := s.database(ctx, s.app.Database)
	return err
}

// database returns a database of the server, after making sure that the wall
// is standing in it.
func (s *server) database(ctx context.Context, name string) (place, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return place{}, ErrClosed
	}
	d := s.databases[name]
	if d == nil {
		d = &database{name: name, place: s.newPlace(name), ready: newTurn(1)}
		s.databases[name] = d
	}
	s.mu.Unlock()

	if d.safe.Load() {
		return d.place, nil
	}
	if err := d.ready.take(ctx); err != nil {
		return place{}, fmt.Errorf("isolation: server %q: waiting for database %s to be looked at: %w", s.name, quote(name), err)
	}
	defer d.ready.leave()
	if d.safe.Load() {
		return d.place, nil
	}
	if err := s.inspect(ctx, d.place, ""); err != nil {
		return place{}, err
	}
	d.safe.Store(true)
	return d.place, nil
}

func (s *server) newPlace(name string) place {
	config := s.app.Copy()
	config.Database = name
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0 // ours know the gate
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.RuntimeParams["application_name"] == "" && !s.config.Pooled {
		config.RuntimeParams["application_name"] = "partywall"
	}
	mode := s.opts.ExecMode
	if mode == 0 {
		mode = pgx.QueryExecModeCacheStatement
		if s.config.Pooled {
			mode = pgx.QueryExecModeCacheDescribe
		}
	}
	pool := affinity.Config[*conn]{Close: (*conn).close}
	if !s.opts.Hostile { // whose sessions go from one to another by DISCARD ALL alone
		pool.Clear = (*conn).unbind
	}
	return place{
		server: s,
		group:  s.group,
		pool:   s.group.NewPool(pool),
		dialer: &dialer{
			config: config, mode: mode, capacity: s.opts.Statements, pooled: s.config.Pooled,
			keys: s.keyring(name), configure: s.opts.Configure, clock: s.opts.Clock,
		},
	}
}

// keyring returns the keys of one database.
func (s *server) keyring(database string) *keyring {
	if len(s.config.Keys) > 0 {
		return &keyring{key: s.config.Keys[0]}
	}
	return newKeyring(func(ctx context.Context) (k Key, err error) {
		err = s.asMigrator(ctx, database, func(conn *pgx.Conn) error {
			k, err = newestKey(ctx, conn)
			return err
		})
		return k, err
	})
}

// asMigrator runs fn on a connection of the migrator's to a database, which has
// gone when it returns: who takes turns is to have no more of them than there
// are turns.
func (s *server) asMigrator(ctx context.Context, database string, fn func(*pgx.Conn) error) error {
	config, err := s.migrator(database)
	if err != nil {
		return err
	}
	work, working := fencing.FromContext(ctx)
	if working {
		config.RuntimeParams["application_name"] = workName(work)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("isolation: server %q: connecting as migrator: %w", s.name, err)
	}
	defer hangUp(conn) // the work is done, or has failed for a better reason
	if working {
		if err := s.showToken(ctx, conn, database, work); err != nil {
			return err
		}
	}
	return fn(conn)
}

// migrator says how the migrator connects to a database.
func (s *server) migrator(database string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(s.config.Migrator)
	if err != nil || s.config.Migrator == "" {
		return nil, fmt.Errorf("%w: server %q has no Migrator", ErrRefused, s.name)
	}
	config.Database = database
	return config, nil
}

// drop gives back the leases that idle connections hold on a tenant.
func (s *server) drop(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.databases {
		d.pool.Drop(number)
	}
}

// close ends all connections once they are given back.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	pools := make([]*affinity.Pool[*conn], 0, len(s.databases)+1)
	for _, d := range s.databases {
		pools = append(pools, d.pool)
	}
	s.mu.Unlock()
	if s.system != nil {
		pools = append(pools, s.system.pool)
	}
	s.asker.working.Wait()
	s.spares.close()
	for _, p := range pools {
		p.Close()
	}
}
