package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// measureChanges changes a tenant on one node, its status and its placement in
// turn, and waits until another node serves it so. What is timed begins before
// the change is committed.
func (h *house) measureChanges(ctx context.Context, times int) (_ []Latency, err error) {
	name := h.name + "_catalog"
	if err := each(ctx, h.admin, `CREATE DATABASE `+name); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, each(context.WithoutCancel(ctx), h.admin, `DROP DATABASE `+name+` WITH (FORCE)`))
	}()
	pool, err := pgxpool.New(ctx, in(h.tcp, h.tcp.User.Username(), name))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer pool.Close()
	here, err := pgtenant.Open(ctx, pool, nil)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	defer here.Close()
	there, err := pgtenant.Open(ctx, pool, nil)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	defer there.Close()
	heard := make(chan tenant.Event, 1) // one tenant, and nothing changes before the last change was heard of
	defer there.Subscribe(func(e tenant.Event) {
		select {
		case heard <- e:
		case <-ctx.Done():
		}
	})()
	c := &changing{Catalog: here, heard: heard}
	return c.measure(ctx, there.Registry, times)
}

// changing is one tenant that one node changes, and what another hears of it.
type changing struct {
	*pgtenant.Catalog

	heard <-chan tenant.Event
	who   tenant.Tenant
}

func (c *changing) measure(ctx context.Context, there *tenant.Registry, times int) ([]Latency, error) {
	var err error
	c.who, err = c.Create(ctx, tenant.Spec{Slug: "acme", Status: tenant.Active, Placement: tenant.Placement{Server: "bench", Strategy: tenant.Shared}})
	if err == nil {
		err = c.arrive(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("making a tenant: %w", err)
	}
	kinds := []struct {
		name string
		step func(context.Context) error
	}{{"change of status", c.toggle}, {"change of placement", c.move}}
	took := make([][]time.Duration, len(kinds))
	for n := range times {
		kind := n % len(kinds)
		began := time.Now()
		if err = kinds[kind].step(ctx); err == nil {
			err = c.arrive(ctx)
		}
		took[kind] = append(took[kind], time.Since(began))
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", kinds[kind].name, n+1, err)
		}
		if seen, err := there.Lookup(ctx, tenant.ByID(c.who.ID)); err != nil || seen.Version != c.who.Version {
			return nil, fmt.Errorf("%s %d: the other node serves version %d, want %d: %w", kinds[kind].name, n+1, seen.Version, c.who.Version, err)
		}
	}
	var out []Latency
	for kind, times := range took {
		if len(times) > 0 {
			out = append(out, newLatency(kinds[kind].name+" on another node", times))
		}
	}
	return out, nil
}

// arrive waits until the other node has heard of the tenant as it is.
func (c *changing) arrive(ctx context.Context) error {
	for {
		select {
		case e := <-c.heard:
			if e.After.Version >= c.who.Version {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *changing) toggle(ctx context.Context) (err error) {
	if c.who.Status == tenant.Active {
		c.who, err = c.Suspend(ctx, c.who.ID, "unpaid")
	} else {
		c.who, err = c.Activate(ctx, c.who.ID)
	}
	return err
}

func (c *changing) move(ctx context.Context) (err error) {
	to := c.who.Placement
	to.Server = map[string]string{"bench": "spare", "spare": "bench"}[to.Server]
	c.who, err = c.Place(ctx, c.who.ID, to.Epoch, to)
	return err
}
