package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

const (
	drainWriters = 32
	// drainBusy is how many writes are acknowledged before a drain begins: by
	// then all writers are at it, and all nodes have heard of the last activation.
	drainBusy = 32 * drainWriters
)

// fleet is a tenant's writers on several nodes. What was acknowledged is
// counted over all rounds, because so are the rows.
type fleet struct {
	*house

	nodes []*isolation.DB
	past  *pgx.Conn // past the wall
	who   tenant.Tenant
	acked atomic.Int64
	lost  atomic.Int64 // failed, and perhaps committed
	next  atomic.Int64
}

// measureDrains shuts a tenant out under writers on two nodes and lets it in
// again, so many times. What is timed is from the call to "no writer is left",
// and each time the rows are held against what was acknowledged.
func (h *house) measureDrains(ctx context.Context, times int) (_ []Latency, err error) {
	f := &fleet{house: h, who: h.who["acme"]}
	if f.past, err = pgx.Connect(ctx, h.at(h.tcp, h.tcp.User.Username())); err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer func() { err = errors.Join(err, f.past.Close(context.WithoutCancel(ctx))) }()
	for range 2 {
		// Who is shut out is told so at once.
		db, err := h.open(ctx, isolation.Server{App: h.at(h.tcp, appRole)}, &isolation.Options{FenceWait: -1})
		if err != nil {
			return nil, err
		}
		f.nodes = append(f.nodes, db)
	}
	f.next.Store(drainBase)
	var took []time.Duration
	var ended int64
	for range times {
		drained, err := f.round(ctx)
		if err != nil {
			return nil, fmt.Errorf("drain %d: %w", len(took)+1, err)
		}
		took, ended = append(took, drained.Took), ended+drained.Ended
	}
	l := newLatency(fmt.Sprintf("drain under %d writers", drainWriters), took)
	l.Note = fmt.Sprintf("%d writes acknowledged, all there; %d unknown; %d sessions ended", f.acked.Load(), f.lost.Load(), ended)
	return []Latency{l}, nil
}

// drainBase keeps the ids of these rows apart from those of the clients.
const drainBase = 1 << 60

// round is one drain, from writers that are at it to a tenant that is let in.
func (f *fleet) round(ctx context.Context) (isolation.Drained, error) {
	working, err := f.start(ctx)
	if err != nil {
		return isolation.Drained{}, err
	}
	drained, err := f.nodes[0].Drain(ctx, f.who, nil)
	if err != nil {
		return drained, fmt.Errorf("draining: %w", err)
	}
	stood, err := f.rows(ctx)
	if err != nil {
		return drained, err
	}
	if err := working(); err != nil {
		return drained, err
	}
	settled, err := f.rows(ctx)
	switch acked, lost := f.acked.Load(), f.lost.Load(); {
	case err != nil:
		return drained, err
	case stood != settled:
		return drained, fmt.Errorf("%d rows when the drain was over, %d later", stood, settled)
	case settled < acked, settled > acked+lost:
		return drained, fmt.Errorf("%d rows, %d acknowledged and %d unknown", settled, acked, lost)
	}
	return drained, f.letIn(ctx)
}

// start has the writers begin, and returns once they are all at it, with what
// waits until each has been told that the tenant is shut out.
func (f *fleet) start(ctx context.Context) (working func() error, err error) {
	busy, failed := make(chan struct{}), make(chan error, drainWriters)
	var writing sync.WaitGroup
	var written atomic.Int64
	as := tenant.NewContext(ctx, f.who)
	for i := range drainWriters {
		writing.Go(func() {
			for {
				_, err := f.nodes[i%len(f.nodes)].Exec(as, wallInsert, f.next.Add(1), "load", 1)
				switch {
				case err == nil:
					f.acked.Add(1)
					if written.Add(1) == drainBusy {
						close(busy)
					}
				case errors.Is(err, isolation.ErrFenced):
					return
				case written.Load() < drainBusy || ctx.Err() != nil:
					failed <- err
					return
				default:
					f.lost.Add(1)
				}
			}
		})
	}
	select {
	case <-busy:
	case err := <-failed:
		return nil, fmt.Errorf("writing: %w", err)
	}
	return func() error {
		writing.Wait()
		return ctx.Err()
	}, nil
}

// rows counts those that writers have written, past the wall.
func (f *fleet) rows(ctx context.Context) (n int64, err error) {
	err = f.past.QueryRow(ctx, `SELECT count(*) FROM event WHERE tenant_id = $1 AND id > $2`, f.who.Number, int64(drainBase)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting: %w", err)
	}
	return n, nil
}

// letIn lets the tenant in by the next epoch, as a move ends.
func (f *fleet) letIn(ctx context.Context) error {
	_, err := f.tenants.Maintain(ctx, f.who.ID, "a move")
	if err == nil {
		f.who, err = f.tenants.Activate(ctx, f.who.ID)
	}
	if err == nil {
		err = f.nodes[0].Activate(ctx, f.who)
	}
	if err != nil {
		return fmt.Errorf("letting in: %w", err)
	}
	return nil
}
