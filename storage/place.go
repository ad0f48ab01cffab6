package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/tenant"
)

// Stores are the host's accounts by name, as placements name them.
type Stores map[string]Store

// Store is an account that has buckets: one of a cloud's, or a folder.
type Store struct {
	// Account opens the buckets. Required.
	Account Account
	// Shared names the bucket that tenants share, each under a prefix of its
	// own. Defaults to none, and every tenant here needs one of its own.
	Shared string
	// Region says where the store is. A tenant that has a region is refused by
	// a store that is elsewhere, or that does not say where. Defaults to nowhere:
	// only tenants without a region may be here.
	Region tenant.Region
}

// Account opens the buckets of a store. The packages filebucket and s3bucket
// have one each; GCS and Azure are a few lines of the host's over gcsblob and
// azureblob.
type Account interface {
	// Open opens the bucket named. It makes none. The caller closes it.
	Open(ctx context.Context, bucket string) (*blob.Bucket, error)
}

// Maker is an [Account] that can also make and remove buckets, for
// [Buckets.Provision] and [Buckets.Deprovision].
type Maker interface {
	Account
	// Create makes the bucket named. One that is there, and ours, is no error.
	Create(ctx context.Context, bucket string) error
	// Remove removes the bucket named, which is empty. One that is not there is
	// no error.
	Remove(ctx context.Context, bucket string) error
}

// Putter is an [Account] that signs URLs for PUT itself, where its driver cannot
// hold them to a content type.
type Putter interface {
	Account
	// SignPut returns a URL by which an object of the bucket can be written for
	// the time given, with the content type given and no other.
	SignPut(ctx context.Context, bucket, name, contentType string, life time.Duration) (string, error)
}

// Copier is an [Account] whose driver cannot copy all that it can write.
type Copier interface {
	Account
	// CopyLarge copies an object of the bucket that the driver has failed to
	// copy. It returns failed as it is where the size was not the reason.
	CopyLarge(ctx context.Context, bucket, dst, src string, failed error) error
}

// Place says where the files of a tenant are.
type Place struct {
	// Store names one of [Stores], or what [Options.Dedicated] is asked for.
	Store string
	// Bucket names the tenant's own bucket there. It is empty for the bucket
	// that the store's tenants share.
	Bucket string
}

// ParsePlace reads what [tenant.Placement] says in its field Bucket: "store" for
// the shared bucket of a store, "store/bucket" for a bucket of the tenant's own,
// nothing for the default.
func ParsePlace(word string) (Place, error) {
	store, bucket, own := strings.Cut(word, "/")
	if word == "" {
		return Place{}, nil
	}
	if err := tenant.ValidateName("store", store); err != nil {
		return Place{}, fmt.Errorf("storage: place: %w", err)
	}
	if own {
		if err := tenant.ValidateName("bucket", bucket); err != nil {
			return Place{}, fmt.Errorf("storage: place: %w", err)
		}
	}
	return Place{Store: store, Bucket: bucket}, nil
}

// String returns the place in the words of [tenant.Placement].
func (p Place) String() string {
	if p.Bucket == "" {
		return p.Store
	}
	return p.Store + "/" + p.Bucket
}

// The areas below the root.
const (
	filesArea = "files/"
	trashArea = "trash/"
	probeArea = "probe/"
)

// locate returns t's place, and the name of its bucket there.
func (b *Buckets) locate(ctx context.Context, t tenant.Tenant) (Place, Store, error) {
	p, err := ParsePlace(t.Placement.Bucket)
	if err != nil {
		return p, Store{}, err
	}
	if p.Store == "" {
		p.Store = b.opts.Default
	}
	s, err := b.store(ctx, t, p)
	return p, s, err
}

// store returns the store of a place, having checked that t may be there.
func (b *Buckets) store(ctx context.Context, t tenant.Tenant, p Place) (Store, error) {
	s, ok := b.stores[p.Store]
	if !ok && b.opts.Dedicated != nil && p.Store != "" {
		var err error
		if s, err = b.dedicated.find(ctx, p.Store, &b.opts); err != nil {
			return s, fmt.Errorf("%w: %q: %w", ErrNoStore, p.Store, err)
		}
		ok = s.Account != nil
	}
	switch {
	case !ok:
		return s, fmt.Errorf("%w: tenant %s is on %q", ErrNoStore, t.ID, p.Store)
	case p.Bucket == "" && s.Shared == "":
		return s, fmt.Errorf("%w: tenant %s needs a bucket of its own on %q, which shares none", ErrNoStore, t.ID, p.Store)
	case p.Bucket != "" && p.Bucket == s.Shared:
		return s, fmt.Errorf("%w: tenant %s names the shared bucket of %q as its own", ErrRefused, t.ID, p.Store)
	case !b.rules.within(s.Region, t.Region):
		return s, fmt.Errorf("%w: tenant %s belongs in %q, and %q is in %q", ErrRegion, t.ID, t.Region, p.Store, s.Region)
	}
	return s, nil
}

// bucket names the bucket of the store that p means.
func (s Store) bucket(p Place) string {
	if p.Bucket != "" {
		return p.Bucket
	}
	return s.Shared
}
