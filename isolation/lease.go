package isolation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/partywall/partywall/internal/affinity"
	"github.com/partywall/partywall/tenant"
)

// lease is one connection in one tenant's hands.
type lease struct {
	place  place
	tenant tenant.Tenant
	gate   gate
	item   *affinity.Item[*conn]
	conn   *conn
	over   bool // the connection has been given back
}

// lease finds the tenant of ctx a connection to where its data is.
func (db *DB) lease(ctx context.Context) (*lease, error) {
	t, err := db.tenant(ctx)
	if err != nil {
		return nil, err
	}
	p, err := db.locate(ctx, t)
	if err != nil {
		return nil, err
	}
	limits := db.opts.limits(t, p.server.budget)
	l := &lease{place: p, tenant: t, gate: gate{
		number: t.Number, epoch: t.Placement.Epoch,
		readonly: !tenant.MayWrite(ctx, t), timeout: milliseconds(limits.StatementTimeout),
	}}
	if l.item, err = db.acquire(ctx, p, t.Number, limits.Conns); err != nil {
		return nil, fmt.Errorf("isolation: tenant %s (%s) on %s: %w", t.ID, t.Slug, p.server.name, err)
	}
	l.conn = l.item.Conn
	if t.Placement.Strategy == tenant.Schema {
		l.gate.space = t.Number
		l.visit()
	}
	if db.opts.Hostile && l.conn.shown != t.Number && l.conn.shown != 0 {
		if err := l.conn.discard(ctx); err != nil {
			l.discard()
			return nil, fmt.Errorf("isolation: cleaning a connection: %w", err)
		}
	}
	if l.conn.needs(l.gate) && l.conn.canLead(l.gate) && !l.conn.recall(&l.gate) {
		l.gate.path = pathOf(p.server, t)
	}
	return l, nil
}

// acquire takes a connection out of a pool, and makes sure that it lives.
func (db *DB) acquire(ctx context.Context, p place, key int64, limit int) (*affinity.Item[*conn], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if item, ok := p.pool.Try(key, limit); ok {
		if !item.Fresh && item.Conn.alive(ctx, db.opts.Clock().Sub(item.IdleSince())) {
			return item, nil
		}
		if item, err := db.revive(ctx, p, item); item != nil || err != nil {
			return item, err
		}
	}
	wait, cancel := context.WithTimeout(ctx, db.opts.AcquireTimeout)
	defer cancel()
	for {
		item, err := p.pool.Acquire(wait, key, limit)
		switch {
		case errors.Is(err, affinity.ErrClosed):
			return nil, ErrClosed
		case err != nil && ctx.Err() == nil:
			return nil, ErrBusy
		case err != nil && errors.Is(err, context.DeadlineExceeded):
			return nil, fmt.Errorf("%w: %w", ErrBusy, err)
		case err != nil:
			return nil, err
		}
		if !item.Fresh && item.Conn.alive(wait, db.opts.Clock().Sub(item.IdleSince())) {
			return item, nil
		}
		if item, err := db.revive(wait, p, item); item != nil || err != nil {
			return item, err
		}
	}
}

// revive dials the connection of an item that has none, and gives back one
// that is dead; then it returns nil.
func (db *DB) revive(ctx context.Context, p place, item *affinity.Item[*conn]) (*affinity.Item[*conn], error) {
	if !item.Fresh {
		p.pool.Discard(item)
		return nil, nil //nolint:nilnil // neither: there may be another
	}
	ctx, cancel := context.WithTimeout(ctx, db.opts.AcquireTimeout)
	defer cancel()
	defer func() {
		if item.Fresh {
			p.pool.Discard(item) // there was an error, or Options.Configure has panicked
		}
	}()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return nil, err
	}
	item.Dialled(c)
	return item, nil
}

// release gives the connection back, or ends it if its next user could meet
// something of this one. It goes back as the tenant's whose lease the session
// may hold, bound or not: whoever fences that tenant drops it.
func (l *lease) release() {
	switch {
	case l.over:
	case !l.conn.clean(), l.full():
		l.discard()
	default:
		l.over = true
		l.place.pool.Release(l.item, l.conn.shown)
	}
}

// visit notes that the session will have been in the tenant's schema.
func (l *lease) visit() {
	c := l.conn
	if c.shown == l.tenant.Number || l.place.server.opts.Schemas < 0 {
		return
	}
	if c.schemas == nil {
		c.schemas = map[int64]struct{}{}
	}
	c.schemas[l.tenant.Number] = struct{}{}
}

// full reports whether the session has been in so many schemas that a new one
// is better.
func (l *lease) full() bool {
	most := l.place.server.opts.Schemas
	return most > 0 && len(l.conn.schemas) >= most
}

// discard ends the connection.
func (l *lease) discard() {
	if !l.over {
		l.over = true
		l.place.pool.Discard(l.item)
	}
}

// work does the first part of the work, after which something else holds the
// lease. It gives the connection back when that fails, and ends it when it
// panics: in an argument's encoding, say, which is the host's code.
func (l *lease) work(start func() error) error {
	fine := false
	defer func() {
		if !fine {
			l.discard()
		}
	}()
	err := start()
	fine = true
	if err != nil {
		if errors.Is(err, errNoSession) || errors.Is(err, errUnknownKey) {
			l.conn.tainted = true
		}
		l.release()
	}
	return err
}

// inside is the gate of statements in a transaction that has passed it.
func (l *lease) inside() gate {
	return gate{passed: true, readonly: l.gate.readonly, space: l.gate.space}
}

// finish is release for the end of a statement, whose error it names.
func (l *lease) finish(err error) error {
	l.release()
	return err
}

// tenant returns the tenant that ctx belongs to as the catalog knows it now:
// the context may be older than the last move or suspension.
func (db *DB) tenant(ctx context.Context) (tenant.Tenant, error) {
	named, err := tenant.FromContext(ctx)
	if err != nil {
		return tenant.Tenant{}, err
	}
	now, err := db.tenants.Lookup(ctx, tenant.ByID(named.ID))
	if err != nil {
		return tenant.Tenant{}, err
	}
	if now.Version < named.Version && now.Number == named.Number {
		now = named // this node's snapshot is behind what the context was made of
	}
	if err := tenant.CheckStatus(ctx, now); err != nil {
		return tenant.Tenant{}, err
	}
	return now, nil
}

// run leases a connection and starts work on it. When the gate refuses the
// tenant, nothing of the work has run, and run tries again with what the
// catalog says now. After an error the lease is given back here, otherwise by
// what start has made.
func (db *DB) run(ctx context.Context, start func(context.Context, *lease) error) error {
	patience := &patience{clock: db.opts.Clock, total: db.opts.FenceWait}
	for {
		l, err := db.lease(ctx)
		if err != nil {
			return err
		}
		if err = l.work(func() error { return start(ctx, l) }); err == nil {
			return nil
		}
		again, err := db.reconsider(ctx, l, err, patience)
		if !again {
			return err
		}
	}
}

// reconsider decides whether a start that failed is worth another try, and
// returns the error for the caller if it is not.
func (db *DB) reconsider(ctx context.Context, l *lease, err error, p *patience) (again bool, _ error) {
	var refused *refusal
	switch {
	case errors.Is(err, errUnknownKey) && l.place.dialer.keys.refused(l.conn.enter.key),
		errors.Is(err, errNoSession):
		return p.more(ctx), err
	case !errors.As(err, &refused):
		return false, err
	}
	fenced := &FencedError{ID: l.tenant.ID, Slug: l.tenant.Slug, Have: l.gate.epoch, Want: refused.epoch}
	if !p.more(ctx) {
		return false, fenced
	}
	fresh, lookupErr := db.tenants.Refresh(ctx, tenant.ByID(l.tenant.ID))
	if lookupErr != nil {
		return false, errors.Join(fenced, lookupErr)
	}
	if fresh.Placement.Epoch > l.gate.epoch {
		db.opts.Logger.InfoContext(ctx, fenced.Error()+"; retried on "+fresh.Placement.Server)
		return true, nil
	}
	if refused.epoch < fresh.Placement.Epoch {
		if _, err := db.admit(ctx, fresh); err != nil {
			return false, errors.Join(fenced, err)
		}
	}
	return true, nil
}

// patience is how long a tenant that is refused at the gate waits for it to
// open: about as long as a move holds it shut.
type patience struct {
	clock func() time.Time
	total time.Duration
	until time.Time
	pause time.Duration
}

// more waits a little longer than the last time, and reports whether there is
// any sense in trying again.
func (p *patience) more(ctx context.Context) bool {
	now := p.clock()
	if p.until.IsZero() {
		p.until = now.Add(p.total)
		p.pause = 5 * time.Millisecond
		return true // the first time at once: most often the catalog has news
	}
	if now.After(p.until) {
		return false
	}
	timer := time.NewTimer(p.pause)
	defer timer.Stop()
	p.pause = min(2*p.pause, 100*time.Millisecond)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// milliseconds is a duration as PostgreSQL takes timeouts: 0 is none.
func milliseconds(d time.Duration) int32 {
	if d < 0 {
		return 0
	}
	return int32(max(1, min(d.Milliseconds(), 1<<31-1)))
}
