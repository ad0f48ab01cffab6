package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// Places is what a [Fleet] asks of the wall; *isolation.DB is one.
type Places interface {
	// Servers lists the servers.
	Servers() []string
	// Target returns where a tenant's rows are.
	Target(t tenant.Tenant) (isolation.Target, error)
	// AtPlace runs fn on a connection of the migrator's to a place.
	AtPlace(ctx context.Context, to isolation.Target, fn func(*pgx.Conn) error) error
	// Provision makes a tenant's place.
	Provision(ctx context.Context, t tenant.Tenant) error
}

// Tenants is what a [Fleet] asks of the catalog; *tenant.Registry is one.
type Tenants interface {
	// All yields the tenants that q describes.
	All(ctx context.Context, q tenant.Query) iter.Seq2[tenant.Tenant, error]
}

// FleetOptions are what [New] may be told. The zero value is a good start.
type FleetOptions struct {
	// Workers is how many places of one server are worked on at once, each on a
	// connection of its own. Defaults to 4.
	Workers int
	// Attempts is how often a place is tried before it has failed, when what
	// goes wrong may go away: see [Transient]. Defaults to 8.
	Attempts int
	// Backoff is how long to wait before the nth attempt, n from 2. Others are
	// worked on meanwhile. Defaults to a tenth of a second, doubled each time
	// up to ten seconds, with a third of it left to chance.
	Backoff func(attempt int) time.Duration
	// StopAfter ends the work when so many places have failed: then it is the
	// migration, and not the place. Defaults to never.
	StopAfter int
	// Logger gets what nobody is there to be told. Defaults to slog.Default.
	Logger *slog.Logger
}

// withDefaults returns a copy of o with the defaults filled in.
func (o *FleetOptions) withDefaults() FleetOptions {
	var filled FleetOptions
	if o != nil {
		filled = *o
	}
	filled.Workers = cmp.Or(filled.Workers, 4)
	filled.Attempts = cmp.Or(filled.Attempts, 8)
	if filled.Backoff == nil {
		filled.Backoff = backoff
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	return filled
}

func backoff(attempt int) time.Duration {
	d := min(100*time.Millisecond<<min(max(attempt-2, 0), 10), 10*time.Second)
	return d - rand.N(d/3+1) //nolint:gosec // G404: no secret
}

// Fleet is all places of all tenants. Its methods may be called from any
// goroutine and any number of processes: each place is worked on by one of
// them, and the others see that it is done.
type Fleet struct {
	ledger     *ledger
	places     Places
	tenants    Tenants
	migrations *Migrations
	opts       FleetOptions
}

// New returns a Fleet that applies migrations to the places of the tenants.
// The pool is that of the catalog, in which the fleet keeps the schema
// partywall_schema; it stays the caller's. options may be nil.
//
// New dials nothing. It fails with [ErrInvalid], and tells all mistakes at once.
func New(catalog *pgxpool.Pool, places Places, tenants Tenants, migrations *Migrations, options *FleetOptions) (*Fleet, error) {
	f := &Fleet{ledger: &ledger{pool: catalog}, places: places, tenants: tenants, migrations: migrations, opts: options.withDefaults()}
	var errs []error
	missing := func(what string, is bool) {
		if is {
			errs = append(errs, fmt.Errorf("%w: New: %s is nil", ErrInvalid, what))
		}
	}
	missing("catalog", catalog == nil)
	missing("places", places == nil)
	missing("tenants", tenants == nil)
	missing("migrations", migrations == nil)
	if f.opts.Workers < 0 || f.opts.Attempts < 0 || f.opts.StopAfter < 0 {
		errs = append(errs, fmt.Errorf("%w: FleetOptions: a number is negative", ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f, nil
}

// site is a place, and who is there.
type site struct {
	isolation.Target

	tenant  tenant.Tenant // the only one, the zero Tenant where there may be more
	tenants int
	err     error // it is nowhere that this process knows
}

// sites lists the places of the tenants that q describes, those of shared tables
// first. A place of shared tables counts when there is a tenant who sees it, or
// when everything counts.
func (f *Fleet) sites(ctx context.Context, q tenant.Query) ([]*site, error) {
	q.Limit = tenant.MaxLimit
	all := q.Matches(tenant.Tenant{}) // as long as it asks for nothing
	shared := map[string]*site{}
	var first, rest []*site
	open := func(server string) *site {
		if s := shared[server]; s != nil {
			return s
		}
		to, err := f.places.Target(tenant.Tenant{Placement: tenant.Placement{Server: server, Strategy: tenant.Shared}})
		shared[server] = &site{Target: to, err: err}
		first = append(first, shared[server])
		return shared[server]
	}
	own := map[key]*site{}
	if all {
		for _, server := range f.places.Servers() {
			open(server)
		}
	}
	for t, err := range f.tenants.All(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("schema: listing the tenants: %w", err)
		}
		if t.Status == tenant.Deleted {
			continue
		}
		to, err := f.places.Target(t)
		switch {
		case err != nil:
			to = isolation.Target{Server: t.Placement.Server, Database: t.Placement.Database, Schema: t.Placement.Schema, Strategy: t.Placement.Strategy}
			rest = append(rest, &site{Target: to, tenant: t, tenants: 1, err: err})
			continue
		case t.Placement.Strategy == tenant.Shared:
			open(t.Placement.Server).tenants++
			continue
		case t.Placement.Strategy == tenant.Schema:
			open(t.Placement.Server)
		}
		if s := own[keyOf(to)]; s != nil {
			s.tenant, s.tenants = tenant.Tenant{}, s.tenants+1
			continue
		}
		own[keyOf(to)] = &site{Target: to, tenant: t, tenants: 1}
		rest = append(rest, own[keyOf(to)])
	}
	return append(first, rest...), nil
}
