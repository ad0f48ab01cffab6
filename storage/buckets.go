package storage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/tenant"
)

// Registry is what [Buckets] asks of the catalog; *tenant.Registry is one.
type Registry interface {
	// Lookup returns a tenant as this node knows it.
	Lookup(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
}

// Buckets are the buckets of all tenants. It is safe for concurrent use.
type Buckets struct {
	tenants Registry
	stores  Stores
	opts    Options
	rules   rules

	open    *pool
	traffic traffic
	names   locks // files that are being replaced
	writers writers
	books   books

	dedicated dedicated
	closed    atomic.Bool
}

// New returns the buckets of the tenants in the registry, in the stores given.
// It opens none yet. Mistakes in stores and options come back all together.
//
// opts may be nil. The caller closes what New returns.
func New(tenants Registry, stores Stores, opts *Options) (*Buckets, error) {
	filled, err := opts.filled(stores)
	if tenants == nil {
		err = errors.Join(errors.New("storage: tenants is nil"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("storage: New: %w", err)
	}
	b := &Buckets{tenants: tenants, stores: stores, opts: filled, rules: standing()}
	b.open = newPool(filled.MaxOpen, filled.IdleTimeout, filled.Clock)
	return b, nil
}

// Open returns the bucket of the tenant that ctx belongs to. It fails as
// [tenant.FromContext] does, and with [ErrNoStore] and [ErrRegion].
//
// The bucket stays good when the tenant is moved, because each of its calls
// finds out anew where the tenant is, and what it may do: a tenant that is not
// active is refused, or can only read if the context lets it in by
// [tenant.Admit]. So the context of each call has to belong to the tenant that
// the bucket was opened for. [ErrOtherTenant] is for another one's.
//
// Nothing of the host's bucket can be had through it: As is always false, and
// callbacks such as BeforeWrite are shown nothing. To close it is optional, and
// closes nobody else's.
func (b *Buckets) Open(ctx context.Context) (*blob.Bucket, error) {
	t, err := b.current(ctx)
	if err != nil {
		return nil, err
	}
	if _, _, err := b.locate(ctx, t); err != nil {
		return nil, err
	}
	bucket := blob.NewBucket(&wall{buckets: b, id: t.ID})
	// An fs.FS has no contexts: what is read through one is read as the tenant
	// that the bucket was opened for.
	inner := context.WithoutCancel(ctx)
	bucket.SetIOFSCallback(func() (context.Context, *blob.ReaderOptions) { return inner, nil })
	return bucket, nil
}

// Close closes the buckets of the host that are open. Those in use are closed
// when they come back. Later calls fail with [ErrClosed].
func (b *Buckets) Close() error {
	b.closed.Store(true)
	return b.open.close()
}

// Opened returns how many of the host's buckets are open now.
func (b *Buckets) Opened() int { return b.open.size() }

// current returns the tenant that ctx belongs to as the catalog knows it now:
// the context may be older than the last move or suspension.
func (b *Buckets) current(ctx context.Context) (tenant.Tenant, error) {
	named, err := tenant.FromContext(ctx)
	if err != nil {
		return tenant.Tenant{}, err
	}
	if b.closed.Load() {
		return tenant.Tenant{}, ErrClosed
	}
	now, err := b.tenants.Lookup(ctx, tenant.ByID(named.ID))
	if err != nil {
		return tenant.Tenant{}, err
	}
	if now.Version < named.Version && now.Number == named.Number {
		now = named // this node's snapshot is behind what the context was made of
	}
	if now.Number <= 0 {
		return tenant.Tenant{}, tenant.ErrNoTenant
	}
	if err := tenant.CheckStatus(ctx, now); err != nil {
		return tenant.Tenant{}, err
	}
	return now, nil
}

// home is a tenant at its place, with the bucket open. It is given back by
// release.
type home struct {
	tenant tenant.Tenant
	place  Place
	store  Store
	bucket *shelf
	root   string
	byHost bool // the host's own work, which no status stops

	release func()
}

func (h *home) file(key string) string { return h.root + filesArea + key }

// at opens the bucket where t is.
func (b *Buckets) at(ctx context.Context, t tenant.Tenant) (*home, error) {
	p, s, err := b.locate(ctx, t)
	if err != nil {
		return nil, err
	}
	return b.settle(ctx, t, p, s)
}

// settle opens the bucket of a place for t.
func (b *Buckets) settle(ctx context.Context, t tenant.Tenant, p Place, s Store) (*home, error) {
	name := s.bucket(p)
	bucket, release, err := b.open.take(ctx, Place{p.Store, name}, func(ctx context.Context) (*blob.Bucket, error) {
		return s.Account.Open(ctx, name)
	})
	if err != nil {
		return nil, fmt.Errorf("storage: opening the bucket of tenant %s: %w", t.ID, err)
	}
	root := b.rules.root(t)
	return &home{
		tenant: t, place: p, store: s, root: root, release: release,
		bucket: &shelf{inner: bucket, account: s.Account, name: name, root: root},
	}, nil
}
