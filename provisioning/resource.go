package provisioning

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Resource holds something of each tenant: rows, files, cached values, the
// host's own search index. A *cache.Client, a *storage.Buckets and an
// *isolation.DB are Resources.
type Resource interface {
	// Provision makes the tenant's place. It adopts what is there already, and
	// may be called again after a crash in the middle of it.
	Provision(ctx context.Context, t tenant.Tenant) error
	// Deprovision ends the place and all that is in it, of whatever there is of
	// it. It may be repeated.
	Deprovision(ctx context.Context, t tenant.Tenant) error
}

// Database is the [Resource] of a tenant's rows: an *isolation.DB.
type Database interface {
	Resource
	// Verify makes sure that the context's tenant works in its own place, and
	// sees nobody else's.
	Verify(ctx context.Context) error
	// Evict ends all that is under way for a tenant: what a worker has begun that
	// sleeps, with locks that the next one would wait for.
	Evict(ctx context.Context, t tenant.Tenant) error
}

// Catalog is where tenants are kept: a *pgtenant.Catalog, on the same database
// as the engine.
type Catalog interface {
	// WithTx returns a writer whose changes are part of tx.
	WithTx(tx pgx.Tx) *tenant.Writer
	// Refresh returns a tenant as the catalog knows it now.
	Refresh(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
}

// Lifecycle is what it takes to make tenants and to end them.
type Lifecycle struct {
	// Database holds the tenants' rows. Required.
	Database Database
	// Resources hold whatever else there is of each tenant, by the names of
	// their steps, such as "storage". They are made at the same time.
	Resources map[string]Resource
	// Domain makes the names by which the tenant is reached, and Certificate
	// what is needed to serve them. Default to nothing: a subdomain under a
	// wildcard in DNS, and its certificate, are there before the tenant.
	Domain, Certificate Resource
	// Place says where a new tenant goes, if its [tenant.Spec] does not; usually
	// [Policy.Place]. Defaults to refusing such tenants.
	Place func(ctx context.Context, t tenant.Tenant) (tenant.Placement, error)
	// Stock keeps places ready, so that a tenant of its own schema or database is
	// made as fast as one that shares. Defaults to none.
	Stock *Stock
	// Seed gives the tenant its first data, by the context's rights, which are
	// those of [tenant.Prepare]. It may be called again after a crash in the
	// middle of it; [isolation.DB.Once] keeps rows from being written twice.
	// progress is [Work.Progress]. Defaults to nothing.
	Seed func(ctx context.Context, t tenant.Tenant, progress func(done float64, message string)) error
	// Verify is asked, after the Database, whether the tenant can be let in.
	// Defaults to nothing.
	Verify func(ctx context.Context, t tenant.Tenant) error
}

// steps that every tenant has; a resource cannot be called so.
const (
	stepTenant      = "tenant"
	stepDatabase    = "database"
	stepDomain      = "domain"
	stepCertificate = "certificate"
	stepSeed        = "seed"
	stepVerify      = "verify"
	stepActivate    = "activate"
)
