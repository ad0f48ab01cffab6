package isolation

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/affinity"
	"github.com/partywall/partywall/tenant"
)

// SystemUse is one use of the way past the wall.
type SystemUse struct {
	// Reason is what [AsSystem] was given.
	Reason string
	// Server is where the statement goes.
	Server string
	// Tenant is the tenant of the context, if it belongs to one.
	Tenant tenant.ID
	// SQL is the statement without its arguments, or "BEGIN" for a
	// transaction, or "FANOUT" for a [FanOut].
	SQL string
}

type systemKey struct{}

type system struct{ reason, server string }

// AsSystem returns a context whose statements run as the system: past the
// wall, on the rows of all tenants. The reason says why, to whoever reads the
// audit; without one every statement fails. It is the one way past the wall,
// and the one word to search a code base for.
//
// Statements go to the shared database of the server that the context's tenant
// is on, or that [OnServer] names, or the only one there is.
func AsSystem(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, systemKey{}, system{reason: strings.TrimSpace(reason)})
}

// OnServer names the server that the statements of an [AsSystem] context go
// to. It changes nothing for other contexts.
func OnServer(ctx context.Context, server string) context.Context {
	use, ok := ctx.Value(systemKey{}).(system)
	if !ok {
		return ctx
	}
	use.server = server
	return context.WithValue(ctx, systemKey{}, use)
}

func systemUse(ctx context.Context) (system, bool) {
	use, ok := ctx.Value(systemKey{}).(system)
	return use, ok
}

// logUse is the audit of hosts that have none.
func logUse(log *slog.Logger) func(context.Context, SystemUse) {
	return func(ctx context.Context, use SystemUse) {
		log.InfoContext(ctx, "isolation: system access", "reason", use.Reason, "server", use.Server, "sql", use.SQL)
	}
}

// openSystem makes the pool behind AsSystem. It has a budget of its own, so
// that tenants cannot keep the system out.
func (s *server) openSystem() error {
	config, err := parseURL(s.config.System)
	if err != nil {
		return err
	}
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams["search_path"] = quote(s.opts.Schema)
	group := affinity.NewGroup[*conn](max(2, s.budget/4), s.opts.Clock)
	s.system = &place{
		server: s,
		group:  group,
		pool:   group.NewPool(affinity.Config[*conn]{Close: (*conn).close}),
		dialer: &dialer{config: config, mode: pgx.QueryExecModeCacheStatement, capacity: s.opts.Statements, clock: s.opts.Clock},
	}
	return nil
}

// asSystem leases a connection of the system's, after telling the audit.
func (db *DB) asSystem(ctx context.Context, use system, sql string) (*lease, error) {
	if use.reason == "" {
		return nil, fmt.Errorf("%w: AsSystem without a reason", ErrRefused)
	}
	told := SystemUse{Reason: use.reason, Server: use.server, SQL: sql}
	if t, err := tenant.FromContext(ctx); err == nil {
		told.Tenant = t.ID
		if told.Server == "" {
			told.Server = t.Placement.Server
		}
	}
	if told.Server == "" && len(db.servers) == 1 {
		for name := range db.servers {
			told.Server = name
		}
	}
	s := db.servers[told.Server]
	switch {
	case told.Server == "":
		return nil, fmt.Errorf("%w: AsSystem with several servers; name one by OnServer", ErrRefused)
	case s == nil:
		return nil, fmt.Errorf("%w: %q", ErrNoServer, told.Server)
	case s.system == nil:
		return nil, fmt.Errorf("%w: server %q has no System URL", ErrRefused, told.Server)
	}
	db.opts.Audit(ctx, told)
	l := &lease{place: *s.system, gate: gate{passed: true}}
	var err error
	if l.item, err = db.acquire(ctx, l.place, 0, 0); err != nil {
		return nil, fmt.Errorf("isolation: system on %s: %w", told.Server, err)
	}
	l.conn = l.item.Conn
	return l, nil
}

func (db *DB) querySystem(ctx context.Context, use system, q query) (pgx.Rows, error) {
	l, err := db.asSystem(ctx, use, q.sql)
	if err != nil {
		return failedRows{err}, err
	}
	var out pgx.Rows
	err = l.work(func() error {
		if err := l.conn.suspect(l.gate, q, false); err != nil {
			return err
		}
		x, err := l.conn.start(ctx, l.gate, q.sql, q.args, q.text)
		if err != nil {
			return err
		}
		out = newRows(x, l)
		return nil
	})
	if err != nil {
		return failedRows{err}, err
	}
	return out, nil
}

func (db *DB) beginSystem(ctx context.Context, use system, opts pgx.TxOptions) (pgx.Tx, error) {
	l, err := db.asSystem(ctx, use, "BEGIN")
	if err != nil {
		return nil, err
	}
	if err := l.work(func() error { return l.conn.begin(ctx, l.gate, opts) }); err != nil {
		return nil, err
	}
	return &tx{body: &txBody{lease: l}}, nil
}

func (db *DB) batchSystem(ctx context.Context, use system, b *pgx.Batch) pgx.BatchResults {
	l, err := db.asSystem(ctx, use, "BATCH")
	if err != nil {
		return &batch{err: err, closed: true}
	}
	var out *batch
	err = l.work(func() (err error) {
		out, err = l.conn.sendBatch(ctx, l.gate, b, false, l.finish)
		return err
	})
	if err != nil {
		return &batch{err: err, closed: true}
	}
	return out
}
