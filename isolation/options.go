package isolation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
)

// Servers are the host's database servers by name, as placements name them.
type Servers map[string]Server

// Server says how to reach one PostgreSQL cluster. URLs are PostgreSQL
// connection strings, with all that pgx reads in them.
type Server struct {
	// App is the URL of the role that serves tenants. It owns nothing and
	// cannot get around row-level security; [Open] refuses it otherwise. The
	// database it names holds the Shared and Schema placements.
	App string
	// Pooled says that App leads to a transaction pooler such as PgBouncer.
	// Then the tenant is proven once per transaction instead of once per
	// connection, and the role of App is another than that of direct use.
	Pooled bool
	// Migrator is the URL of the role that makes and changes tables, past any
	// pooler. With it [Open] brings the wall itself up to date, reads the
	// signing keys, and lets new epochs in. A process that only serves can do
	// without, if it is given Keys and another process has the Migrator.
	Migrator string
	// System is the URL of the role behind [AsSystem]. Defaults to none, and
	// [AsSystem] is refused.
	System string
	// Keys sign what this process shows at the gate; the first one is used.
	// Defaults to the keys in each database, read through Migrator.
	Keys []Key
	// MaxConns is the budget of connections that App may have on this server,
	// over all its databases. Up to three more listen, and look at databases
	// that are used for the first time. Defaults to 32.
	MaxConns int
}

// Limits bound what one tenant may take of its server.
type Limits struct {
	// Conns is how many connections the tenant may use at once. Defaults to
	// half the server's budget; -1 is no limit but the budget.
	Conns int
	// StatementTimeout ends statements that run longer. Defaults to 30
	// seconds; -1 is no limit.
	StatementTimeout time.Duration
}

// Options are what [Open] may be told. The zero value is a good start.
type Options struct {
	// ExecMode says how statements are sent: pgx.QueryExecModeCacheStatement,
	// pgx.QueryExecModeCacheDescribe or pgx.QueryExecModeExec. The simple
	// protocol is refused, because it lets injected statements stack. Defaults
	// to CacheStatement, and to CacheDescribe on pooled servers.
	ExecMode pgx.QueryExecMode
	// Statements is how many statements a connection keeps prepared or
	// described. In tenants' own schemas each tenant's count for themselves, and
	// cost the server some 10 kB each. Defaults to 512.
	Statements int
	// Schemas is how many tenants' schemas a connection has been in when it is
	// replaced by a new one: what PostgreSQL has learnt of a table it keeps for as
	// long as the session lives, some 10 kB each. Defaults to 1000; -1 is for
	// ever.
	Schemas int
	// AcquireTimeout is how long a call waits for a connection, if its context
	// does not end before. Defaults to 5 seconds.
	AcquireTimeout time.Duration
	// FenceWait is how long a statement waits for a tenant that its data server
	// does not let in, because the tenant is being moved or the catalog's news
	// has not arrived. Defaults to 1 second; -1 is not at all.
	FenceWait time.Duration
	// IdleTimeout ends connections that nobody used for so long. Defaults to 5
	// minutes.
	IdleTimeout time.Duration
	// Limits bound each tenant. Defaults to the defaults of [Limits].
	Limits func(tenant.Tenant) Limits
	// Hostile cleans a connection with DISCARD ALL whenever it goes from one
	// tenant to another. It costs two round trips then, and is for hosts whose
	// tenants write SQL themselves.
	Hostile bool
	// TenantColumn is what [Protect] looks for in the host's tables. Defaults
	// to "tenant_id".
	TenantColumn string
	// UUIDKeys says that the host's tables are keyed by the tenant's UUID
	// instead of its number, which costs two more marks per switch of tenant.
	UUIDKeys bool
	// Schema is where the tables of Shared placements are. Schema placements
	// have it on their search_path behind their own. Defaults to "public".
	Schema string
	// Migrate brings the host's tables up to date. [Open] calls it for every
	// server's shared tables, [DB.Provision] for a new schema or database, on
	// a connection of the Migrator whose search_path is the place to fill. One
	// process calls it at a time. Defaults to nothing.
	Migrate func(ctx context.Context, conn *pgx.Conn, to Target) error
	// Configure is called with each new connection of App, before a tenant has
	// it, to register types. Defaults to nothing.
	Configure func(ctx context.Context, conn *pgx.Conn) error
	// Audit is told of each use of [AsSystem], before the statement is sent.
	// Defaults to a line in Logger.
	Audit func(context.Context, SystemUse)
	// Allow accepts findings of package prove that are meant, by code and
	// object. [Open] refuses an entry without a reason, and one that matches
	// nothing in the servers' own databases. Defaults to none.
	Allow []prove.Allow
	// Secret names columns, as "table.column", of which a tenant must not learn
	// whether a value is there, in the tables that it shares with others; see
	// [prove.Options]. Defaults to none.
	Secret []string
	// Logger gets what nobody is there to be told. Defaults to slog.Default.
	Logger *slog.Logger
	// Clock is the time. Defaults to time.Now.
	Clock func() time.Time
}

// withDefaults returns a copy of o with the defaults filled in.
func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.Statements = cmp.Or(filled.Statements, 512)
	filled.Schemas = cmp.Or(filled.Schemas, 1000)
	filled.AcquireTimeout = cmp.Or(filled.AcquireTimeout, 5*time.Second)
	filled.FenceWait = cmp.Or(filled.FenceWait, time.Second)
	filled.IdleTimeout = cmp.Or(filled.IdleTimeout, 5*time.Minute)
	filled.TenantColumn = cmp.Or(filled.TenantColumn, "tenant_id")
	filled.Schema = cmp.Or(filled.Schema, "public")
	if filled.Limits == nil {
		filled.Limits = func(tenant.Tenant) Limits { return Limits{} }
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	if filled.Clock == nil {
		filled.Clock = time.Now
	}
	if filled.Audit == nil {
		filled.Audit = logUse(filled.Logger)
	}
	return filled
}

// validate returns every mistake in o at once.
func (o *Options) validate() error {
	var errs []error
	switch o.ExecMode {
	case 0, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec:
	case pgx.QueryExecModeSimpleProtocol:
		errs = append(errs, errors.New("isolation: Options.ExecMode: the simple protocol is refused, because it lets injected statements stack"))
	default:
		errs = append(errs, fmt.Errorf("isolation: Options.ExecMode: %v is not supported", o.ExecMode))
	}
	if o.Statements < 0 {
		errs = append(errs, errors.New("isolation: Options.Statements is negative"))
	}
	if o.AcquireTimeout < 0 || o.IdleTimeout < 0 {
		errs = append(errs, errors.New("isolation: Options: a timeout is negative"))
	}
	if err := prove.ValidateAllow(o.Allow); err != nil {
		errs = append(errs, fmt.Errorf("isolation: Options.Allow: %w", err))
	}
	return errors.Join(errs...)
}

// limits returns what t may take of a server with the budget given.
func (o *Options) limits(t tenant.Tenant, budget int) Limits {
	l := o.Limits(t)
	l.Conns = cmp.Or(l.Conns, max(1, budget/2))
	l.StatementTimeout = cmp.Or(l.StatementTimeout, 30*time.Second)
	return l
}
