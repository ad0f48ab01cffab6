package isolation

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// DrainOptions say how a tenant is shut out. The zero value is a good start.
type DrainOptions struct {
	// Grace is how long statements and transactions under way have to end
	// before their sessions are ended. Defaults to 1 second.
	Grace time.Duration
}

// Drained is what it took to shut a tenant out.
type Drained struct {
	// Ended is how many sessions did not give their lease back in time and
	// were ended.
	Ended int64
	Took  time.Duration
}

// Drain shuts t out of the place where it is, at its placement's epoch. When it
// returns without an error, no session on any node is at work for the tenant
// there, and none will be, whatever its node believes, until [DB.Activate] lets
// the tenant in by a higher epoch: statements that come wait for as long as
// Options.FenceWait, and fail with [ErrFenced].
//
// Nodes are asked to give back the leases of idle sessions; what is under way has
// DrainOptions.Grace to end, and what does not answer is ended: also the session
// of a node that has stopped. It needs the server's Migrator. It may be
// repeated; on a data server that knows a later epoch it fails with
// [*FencedError] and changes nothing.
func (db *DB) Drain(ctx context.Context, t tenant.Tenant, opts *DrainOptions) (Drained, error) {
	var o DrainOptions
	if opts != nil {
		o = *opts
	}
	s, how, err := db.whereabouts(t)
	if err != nil {
		return Drained{}, err
	}
	began := time.Now()
	s.drop(t.Number)
	f := fence{number: t.Number, epoch: t.Placement.Epoch, state: FenceShut, path: how.path(s, t)}
	ended, now, err := s.setFence(ctx, how.database(s, t), f, cmp.Or(o.Grace, drainTime))
	if err == nil && !now.is(f.epoch, FenceShut) {
		err = &FencedError{ID: t.ID, Slug: t.Slug, Have: f.epoch, Want: now.Epoch}
	}
	return Drained{Ended: ended, Took: time.Since(began)}, err
}

// Activate lets t in at the place where it is, by its placement's epoch and as
// far as its status allows. After a [DB.Drain] that takes a higher epoch than
// the one that was drained; with less it fails with [*FencedError]. It needs
// the server's Migrator, and may be repeated.
func (db *DB) Activate(ctx context.Context, t tenant.Tenant) error {
	now, err := db.admit(ctx, t)
	if err == nil && !now.is(t.Placement.Epoch, stateOf(t)) {
		err = &FencedError{ID: t.ID, Slug: t.Slug, Have: t.Placement.Epoch, Want: now.Epoch}
	}
	return err
}

// Evict ends the sessions of all nodes that are at work for t, or were last,
// and shuts nobody out: it is for a tenant that one worker prepares, whose
// predecessor may be asleep in a transaction. It needs the server's Migrator.
func (db *DB) Evict(ctx context.Context, t tenant.Tenant) error {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return err
	}
	s.drop(t.Number) // our own idle sessions need not end
	return s.asMigrator(ctx, how.database(s, t), func(conn *pgx.Conn) error {
		if _, err := evict(ctx, conn, t.Number); err != nil {
			return fmt.Errorf("isolation: ending the sessions of tenant %s (%s): %w", t.ID, t.Slug, err)
		}
		return nil
	})
}

// Fence asks t's data server what it knows of t. It needs the server's
// Migrator.
func (db *DB) Fence(ctx context.Context, t tenant.Tenant) (f Fence, err error) {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return f, err
	}
	err = s.asMigrator(ctx, how.database(s, t), func(conn *pgx.Conn) error {
		f, err = readFence(ctx, conn, t.Number)
		return err
	})
	return f, err
}

// stateOf is the state of the fence that a tenant's status asks for. A Pending
// tenant is open to whoever prepares it, by an epoch that ends when it becomes
// active; that nobody else comes is the business of tenant.FromContext.
func stateOf(t tenant.Tenant) FenceState {
	switch {
	case t.Status.Writable(), t.Status == tenant.Pending:
		return FenceOpen
	case t.Status.Readable():
		return FenceReadOnly
	}
	return FenceShut
}
