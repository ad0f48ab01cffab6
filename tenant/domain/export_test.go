package domain

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
)

// Template is a database with an empty catalog.
func Template(t testing.TB) *pgtest.Template {
	set, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	return &pgtest.Template{Name: "domains", Version: set.Version(), Fill: func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = pgmigrate.Apply(ctx, conn, set)
		return err
	}}
}

// LookOnce looks at all that is due, one after the other, and returns at how
// many.
func (c *Catalog) LookOnce(ctx context.Context) (int, error) {
	due, err := c.take(ctx, 100)
	for _, j := range due {
		c.do(j)
	}
	return len(due), err
}

// Take leases what is due, and returns what finishes it.
func (c *Catalog) Take(ctx context.Context) (do []func(), err error) {
	due, err := c.take(ctx, 100)
	for _, j := range due {
		do = append(do, func() { c.do(j) })
	}
	return do, err
}

// CatchUp brings the directory up to date.
func (c *Catalog) CatchUp(ctx context.Context) error { return c.catchUp(ctx) }

// Tell tells what is to be told.
func (c *Catalog) Tell(ctx context.Context) (int, error) { return c.box().Empty(ctx) }

// Fill puts served hosts into a directory, as the feed would.
func (c *Catalog) Fill(n int, host func(i int) string) {
	v := newView()
	for i := range n {
		e := &entry{id: int64(i), host: host(i), state: Active}
		e.tenant[0], e.tenant[1], e.tenant[2] = byte(i), byte(i>>8), byte(i>>16)
		v.apply(e, true)
	}
	c.view.Store(v)
}
