package domain

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/outbox"
	"github.com/partywall/partywall/internal/pgtx"
)

// job is a domain that this node looks at, for as long as it has the lease.
type job struct {
	Domain

	lease int64
}

// lookAfter looks at what is due, until the catalog is closed.
func (c *Catalog) lookAfter() {
	free := make(chan struct{}, c.opts.Workers)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	pause := time.NewTicker(c.opts.Sweep)
	defer pause.Stop()
	for {
		room := cap(free) - len(free)
		due, err := c.take(c.ctx, room)
		if err != nil && c.ctx.Err() == nil {
			c.opts.Logger.WarnContext(c.ctx, "domain: looking for what is due", "error", err)
		}
		for _, j := range due {
			free <- struct{}{}
			jobs.Go(func() {
				defer func() { <-free; c.wake() }()
				c.do(j)
			})
		}
		if len(due) > 0 && len(due) == room {
			select { // there may be more, once there is room
			case free <- struct{}{}:
				<-free
				continue
			case <-c.ctx.Done():
				return
			}
		}
		select {
		case <-c.ctx.Done():
			return
		case <-c.kick:
		case <-pause.C:
		}
	}
}

// take leases up to so many domains that are due.
func (c *Catalog) take(ctx context.Context, most int) ([]job, error) {
	if most == 0 {
		return nil, nil
	}
	rows, err := c.pool.Query(ctx, `UPDATE partywall_domains.domain SET lease_token = nextval('partywall_domains.lease'), lease_until = clock_timestamp() + $2
		WHERE id IN (SELECT id FROM partywall_domains.domain
			WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= clock_timestamp())
			ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
		RETURNING `+columns+`, lease_token`, c.opts.Clock(), c.opts.Lease, most)
	if err != nil {
		return nil, translate(err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (j job, err error) {
		j.Domain, err = c.scan(row, &j.lease)
		return j, err
	})
}

// do looks at one domain, and writes what becomes of it. A panic of the host's
// Prover or Issuer is as good as an error.
func (c *Catalog) do(j job) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	var keeping sync.WaitGroup
	keeping.Go(func() { c.keep(ctx, j, cancel) })
	began := time.Now()
	var next Domain
	err := careful(func() (err error) {
		next, err = c.look(ctx, j.Domain)
		return err
	})
	cancel(nil)
	keeping.Wait()
	if c.ctx.Err() != nil {
		return // another node has it when the lease is over
	}
	if err == nil {
		err = pgtx.Run(c.ctx, c.pool, func(tx pgx.Tx) error { return c.settle(c.ctx, tx, j, next) })
	}
	c.instruments.looked(j.State, next, time.Since(began), err)
	if err != nil && !errors.Is(err, ErrConflict) { // by its owner, who is first: it is due again
		c.opts.Logger.WarnContext(c.ctx, "domain: looking at a host", "host", j.Host, "state", string(j.State), "error", err)
	}
}

// keep holds on to the lease, and ends the job when it is lost.
func (c *Catalog) keep(ctx context.Context, j job, lost context.CancelCauseFunc) {
	pause := time.NewTicker(c.opts.Lease / 3)
	defer pause.Stop()
	until := time.Now().Add(c.opts.Lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		asked := time.Now()
		done, err := c.pool.Exec(ctx, `UPDATE partywall_domains.domain SET lease_until = clock_timestamp() + $3
			WHERE id = $1 AND lease_token = $2`, j.ID, j.lease, c.opts.Lease)
		switch {
		case err == nil && done.RowsAffected() == 1:
			until = asked.Add(c.opts.Lease)
		case err == nil, time.Now().After(until):
			lost(errLost)
			return
		}
	}
}

var errLost = errors.New("domain: another node has taken over")

// publish tells what happened until the catalog is closed. Several nodes share it.
func (c *Catalog) publish() {
	box := c.box()
	pause := time.NewTicker(c.opts.Sweep)
	defer pause.Stop()
	var tidied time.Time
	for {
		told, err := 0, error(nil)
		if c.opts.Publish != nil {
			told, err = box.Empty(c.ctx)
		}
		if time.Since(tidied) > time.Hour && err == nil {
			err, tidied = c.tidy(c.ctx), time.Now()
		}
		if err != nil && c.ctx.Err() == nil {
			c.opts.Logger.WarnContext(c.ctx, "domain: telling what happened", "error", err)
		}
		if err == nil && told == outbox.AtOnce {
			continue
		}
		select {
		case <-c.ctx.Done():
			return
		case <-pause.C:
		}
	}
}
