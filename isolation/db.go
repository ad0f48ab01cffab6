// Package isolation gives a backend its PostgreSQL one tenant at a time.
//
// [Open] returns a [DB] whose methods are those of a pgx connection, for the
// tenant that the context belongs to. Where the tenant's rows are, in tables
// that all tenants share, in a schema or in a database of their own, is the
// tenant's placement, and no concern of the caller: the statement is the same.
//
// # The wall
//
// Every statement runs behind a gate in the data server, which proves the
// tenant by a secret that SQL cannot read, checks that the caller's knowledge
// of the tenant's placement is current, and marks the session. Row-level
// security compares each row with the mark, in all three strategies. The gate
// travels in the same network flush as the statement behind it; a connection
// that served the tenant last needs no gate at all.
//
// # Errors
//
// A context without a tenant is [tenant.ErrNoTenant], and nothing is sent. A
// tenant that is not active is a [*tenant.StatusError]. See the Err values of
// this package for the rest.
//
// # Stopping
//
// [DB.Close] ends all connections once what uses them is done.
package isolation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/partywall/partywall/internal/affinity"
	"github.com/partywall/partywall/tenant"
)

// Registry is what a [DB] asks of the catalog; *tenant.Registry is one.
type Registry interface {
	// Lookup returns a tenant as this node knows it.
	Lookup(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
	// Refresh returns a tenant as the catalog knows it now.
	Refresh(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
	// Subscribe has fn called with each change, in order, until cancel.
	Subscribe(fn func(tenant.Event)) (cancel func())
}

// DB runs statements for tenants. It is safe for concurrent use.
type DB struct {
	tenants Registry
	servers map[string]*server
	opts    Options

	stop func() // ends what Open has started
	once sync.Once
}

// Open connects to the servers, brings the wall up to date where it has a
// Migrator, and makes sure that the wall is standing: it fails with an
// [*UnsafeError] when a role could get around it or a table is not behind it.
// Configuration mistakes come back all together.
//
// opts may be nil. The caller closes the DB; ctx is for the opening alone.
func Open(ctx context.Context, tenants Registry, servers Servers, opts *Options) (*DB, error) {
	db := &DB{tenants: tenants, opts: opts.withDefaults(), servers: map[string]*server{}}
	errs := []error{db.opts.validate()}
	if tenants == nil {
		errs = append(errs, errors.New("isolation: Open: no registry"))
	}
	if len(servers) == 0 {
		errs = append(errs, errors.New("isolation: Open: no servers"))
	}
	for name, config := range servers {
		s, err := newServer(name, config, &db.opts)
		errs = append(errs, err)
		db.servers[name] = s
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, s := range db.servers {
		if err := s.open(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if errors.Join(errs...) == nil { // of what did not open, nobody knows what was needed
		errs = append(errs, db.unusedAllow())
	}
	if err := errors.Join(errs...); err != nil {
		db.closeServers()
		return nil, err
	}
	db.start()
	return db, nil
}

// start begins to follow the catalog and to end idle connections.
func (db *DB) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex // unsubscribing does not wait for an event on its way
	var working sync.WaitGroup
	working.Go(func() { db.sweep(ctx) })
	for _, s := range db.servers {
		if !s.config.Pooled {
			working.Go(func() { s.listen(ctx) })
		}
	}
	unsubscribe := db.tenants.Subscribe(func(e tenant.Event) {
		mu.Lock()
		defer mu.Unlock()
		// Nothing is bound to a tenant that had no place, and the place that it
		// has now may not be made yet.
		if ctx.Err() == nil && e.Before.Placement.Server != "" && e.Moved() {
			working.Go(func() { db.follow(ctx, e) })
		}
	})
	db.stop = func() {
		unsubscribe()
		mu.Lock()
		cancel()
		mu.Unlock()
		working.Wait()
	}
}

// sweep ends connections that nobody has used for a while.
func (db *DB) sweep(ctx context.Context) {
	ticker := time.NewTicker(max(db.opts.IdleTimeout/4, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, s := range db.servers {
			before := db.opts.Clock().Add(-db.opts.IdleTimeout)
			s.group.Sweep(before)
			if s.system != nil {
				s.system.group.Sweep(before)
			}
		}
	}
}

// follow acts on a tenant's new epoch: idle connections bound by the earlier
// one are void, and the data server is told, if this process may.
func (db *DB) follow(ctx context.Context, e tenant.Event) {
	for _, p := range []tenant.Placement{e.Before.Placement, e.After.Placement} {
		if s := db.servers[p.Server]; s != nil {
			s.drop(e.Before.Number) // After is nobody when the catalog has lost the tenant
		}
	}
	s := db.servers[e.After.Placement.Server]
	if s == nil || s.config.Migrator == "" {
		return
	}
	if _, err := db.admit(ctx, e.After); err != nil && ctx.Err() == nil {
		// The first statement of the tenant tries again.
		db.opts.Logger.WarnContext(ctx, "isolation: telling the data server of a new epoch",
			"tenant", e.After.ID.String(), "epoch", e.After.Placement.Epoch, "error", err)
	}
}

// Close ends the DB. It returns when all statements and transactions are done
// and every connection is closed; new ones fail with [ErrClosed]. Closing
// twice is harmless.
func (db *DB) Close() {
	db.once.Do(func() {
		db.stop()
		db.closeServers()
	})
}

func (db *DB) closeServers() {
	for _, s := range db.servers {
		if s != nil {
			s.close()
		}
	}
}

// Stats counts a server's connections for tenants.
type Stats struct {
	// Open connections, of which Idle wait for work. Waiting callers wait for
	// a connection. Budget is what Open may reach.
	Open, Idle, Waiting, Budget int
	// Hits are statements and transactions that found a connection of their
	// tenant, Switches those that took over another tenant's, and Dials those
	// that made one. Evictions are idle connections ended to make room. Waits
	// are statements and transactions that had to wait for a connection, because
	// the budget was spent or their tenant was at its cap.
	Hits, Switches, Dials, Evictions, Waits uint64
}

// Stats returns the counts of every server by its name.
func (db *DB) Stats() map[string]Stats {
	all := make(map[string]Stats, len(db.servers))
	for name, s := range db.servers {
		all[name] = statsOf(s.group.Stats(), s.budget)
	}
	return all
}

func statsOf(s affinity.Stats, budget int) Stats {
	return Stats{
		Open: s.Open, Idle: s.Idle, Waiting: s.Waiting, Budget: budget,
		Hits: s.Hits, Switches: s.Switches, Dials: s.Dials, Evictions: s.Evictions, Waits: s.Waits,
	}
}
