package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

var (
	// ErrBehind is returned by [Fleet.Verify] for a place that lacks migrations.
	ErrBehind = errors.New("schema: not up to date")
	// ErrUnlike is returned by [Fleet.Verify] for a place that is not like the
	// others of its kind.
	ErrUnlike = errors.New("schema: not like the others")
)

// Verify makes sure that a tenant's place has all migrations, and that a schema
// or database of its own is like the others that its server has of this release;
// the catalog keeps what it has seen, so that the first that is looked at is what
// the next are to be like. It is for provisioning.Lifecycle.Verify: nobody is let
// in where a table is missing.
//
// It changes nothing in the place. Its errors are [*PlaceError]s, of [ErrBehind]
// or [ErrUnlike] if the place could be looked at; [Fleet.Drift] says in what it is
// unlike.
func (f *Fleet) Verify(ctx context.Context, t tenant.Tenant) error {
	to, err := f.places.Target(t)
	if err != nil {
		return err
	}
	if err := f.ledger.open(ctx); err != nil {
		return err
	}
	e := entry{key: keyOf(to), strategy: string(to.Strategy), release: f.migrations.Release()}
	err = f.places.AtPlace(ctx, to, func(conn *pgx.Conn) (err error) {
		e.version, e.fingerprint, err = f.migrations.examine(ctx, conn, to)
		return err
	})
	if err != nil {
		return placeError(to, nil, "", err)
	}
	if to.Strategy == tenant.Shared {
		return nil // was there before the tenant, and is everybody's
	}
	usual, places, err := f.ledger.usual(ctx, e)
	if err != nil {
		return err
	}
	if places > 0 && usual != e.fingerprint {
		return placeError(to, nil, "", fmt.Errorf("%w: fingerprint %s, where %d others of version %d have %s", ErrUnlike, e.fingerprint, places, e.version, usual))
	}
	return f.ledger.write(ctx, []entry{e})
}

// examine reads the version and the fingerprint of a place, on a connection to
// it. It fails with [ErrBehind].
func (m *Migrations) examine(ctx context.Context, conn *pgx.Conn, to isolation.Target) (version int64, fingerprint string, err error) {
	v, err := m.visitor(conn)
	if err != nil {
		return 0, "", err
	}
	defer v.close()
	if err := v.peek(ctx, to); err != nil {
		return 0, "", err
	}
	lacks, err := m.pending(v.versions.done)
	if err != nil {
		return 0, "", err
	}
	if len(lacks) > 0 {
		return 0, "", fmt.Errorf("%w: lacks %s", ErrBehind, lacks[0].name())
	}
	c, err := contentsOf(ctx, conn, to.Schema)
	if err != nil {
		return 0, "", err
	}
	s, err := m.shapeOf(ctx, conn, to.Schema, c)
	return v.versions.latest(), s.fingerprint(), err
}
