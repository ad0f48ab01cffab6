package tenant

import "context"

// Records is where tenants are written: the part of a [Store] that a [Writer]
// needs. A transaction of the host's can be one too; see pgtenant's WithTx.
//
// Besides the errors named, methods return ctx's error when ctx ends, and any
// other error when the catalog cannot be asked, which [Registry] and [Writer]
// wrap in [ErrUnavailable]. A method that fails has changed nothing, except
// that a write whose answer was lost may have happened. All methods may be
// called at any time from any goroutine.
//
// Records trust the Writer with the rules (legal transitions, epochs, forms of
// names) and look after what only they can: uniqueness and versions.
type Records interface {
	// Create adds t and returns it with Version 1, CreatedAt and UpdatedAt,
	// which the store gives, and with a Number, unless t has one. Numbers begin
	// at 1 and are never used twice; one that is given is greater than all
	// before. It fails with ErrSlugTaken when any tenant, a Deleted one
	// included, has the slug, and with ErrConflict when one has the ID or the
	// Number.
	Create(ctx context.Context, t Tenant) (Tenant, error)

	// Update replaces the tenant of t's ID, if its version is still t.Version,
	// and returns it with the next Version and the new UpdatedAt. ID, Number
	// and CreatedAt stay as they are whatever t says. It fails with
	// ErrNotFound, with ErrConflict when the version is another, and with
	// ErrSlugTaken. Of updates that race from one version, exactly one wins.
	Update(ctx context.Context, t Tenant) (Tenant, error)

	// Find returns the tenant that key names, of whatever status. It fails
	// with ErrNotFound, also for keys that no tenant can have. It sees every
	// write that returned before it was called.
	Find(ctx context.Context, key Key) (Tenant, error)
}

// Store is a catalog of tenants. The package tenanttest has the proof that an
// implementation keeps this contract, which includes that of [Records].
//
// A store that can sign envelopes is a [KeySource] besides.
type Store interface {
	Records

	// List returns the tenants that q asks for, in the order of their numbers,
	// and fails with ErrInvalid when q does not validate. A walk through all
	// pages returns each tenant that matches throughout the walk exactly once,
	// whatever is created meanwhile.
	List(ctx context.Context, q Query) (Page, error)

	// Changes calls each with the tenants that changed since the mark, as they
	// are now, in any order, and returns the mark for the next call. The zero
	// Mark stands for the beginning: it yields all tenants. A tenant may be
	// yielded again without a change; none is ever missed, in particular not
	// one whose write began before the mark and committed after it.
	//
	// It fails with ErrRewound when since is not of this catalog's history, or
	// may not be, before the first call of each; with each's error, when that
	// fails; and in every other case so that calling again with the same mark
	// is right.
	Changes(ctx context.Context, since Mark, each func(Tenant) error) (Mark, error)

	// Watch calls wake soon after every change, made by whomever, and once as
	// soon as it is able to. Wakes may be too many; changes that follow each
	// other closely may share one. It returns when ctx ends, with ctx's error,
	// or when it cannot watch any longer, and is then called again: changes
	// between the two calls are covered by the first wake of the second.
	// wake does not block.
	Watch(ctx context.Context, wake func()) error
}

// Mark is a point in the history of a [Store]. Only the store that made a mark
// can read it. The zero Mark is the beginning.
type Mark string
