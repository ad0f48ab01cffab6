package main

import (
	"context"

	"github.com/partywall/partywall/internal/bench/sqlcgen"
)

// generated is what sqlc has made of the statements, on the wall.
type generated struct {
	queries *sqlcgen.Queries
	ctx     context.Context //nolint:containedctx // see client
	base    int64
}

func (c *generated) point(i int) error {
	_, err := c.queries.Point(c.ctx, pointID(i))
	return err
}

func (c *generated) list(i int) error {
	rows, err := c.queries.List(c.ctx, listID(i))
	return allTwenty(len(rows), err)
}

func (c *generated) insert(i int) error {
	return c.queries.Insert(c.ctx, sqlcgen.InsertParams{ID: c.base + int64(i), Name: "new", Price: 100})
}

// generatedPlain is the same on pgx's own pool, where each statement names the
// tenant.
type generatedPlain struct {
	generated

	tenant int64
}

func (c *generatedPlain) point(i int) error {
	_, err := c.queries.PointOf(c.ctx, sqlcgen.PointOfParams{TenantID: c.tenant, ID: pointID(i)})
	return err
}

func (c *generatedPlain) list(i int) error {
	rows, err := c.queries.ListOf(c.ctx, sqlcgen.ListOfParams{TenantID: c.tenant, ID: listID(i)})
	return allTwenty(len(rows), err)
}

func (c *generatedPlain) insert(i int) error {
	return c.queries.InsertOf(c.ctx, sqlcgen.InsertOfParams{TenantID: c.tenant, ID: c.base + int64(i), Name: "new", Price: 100})
}
