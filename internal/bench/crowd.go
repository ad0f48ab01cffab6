package main

import (
	"context"
	"fmt"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// crowd is the tenants of the loads: so many in the shared tables, and so many in
// schemas of their own. Each has every tenth row of those that the others have.
type crowd struct {
	inShared, inSchemas int

	shared, schemas []tenant.Tenant
}

// every is the step between the ids of a crowd's rows, and thereby between the
// numbers of a load's statements: see pointID.
const every = 10

// gather makes the tenants of the loads.
func (h *house) gather(ctx context.Context, db *isolation.DB) error {
	var err error
	h.crowd.shared, err = h.settlers(ctx, db, h.crowd.inShared, tenant.Shared)
	if err == nil {
		h.crowd.schemas, err = h.settlers(ctx, db, h.crowd.inSchemas, tenant.Schema)
	}
	return err
}

// settlers makes so many tenants.
func (h *house) settlers(ctx context.Context, db *isolation.DB, many int, strategy tenant.Strategy) ([]tenant.Tenant, error) {
	all := make([]tenant.Tenant, many)
	for i := range all {
		spec := tenant.Spec{
			Slug: fmt.Sprintf("%v-%d", strategy, i), Status: tenant.Active,
			Placement: tenant.Placement{Server: "bench", Strategy: strategy},
		}
		if strategy == tenant.Schema {
			spec.Placement.Schema = ownSchema(i)
		}
		var err error
		if all[i], err = h.tenants.Create(ctx, spec); err == nil {
			err = db.Provision(ctx, all[i])
		}
		if err != nil {
			return nil, fmt.Errorf("settling %s: %w", spec.Slug, err)
		}
	}
	return all, nil
}

// ownSchema is the name of the schema of the i-th tenant that has its own, with
// the wall and without.
func ownSchema(i int) string { return fmt.Sprintf("own_%d", i) }

// fillCrowd returns what gives the crowd its rows behind the wall.
func (h *house) fillCrowd() []string {
	statements := h.sharedRows()
	for i, t := range h.crowd.schemas {
		statements = append(statements, ownRows(i, t.Number))
	}
	return statements
}

// fillPlainCrowd returns what makes the same without a wall.
func (h *house) fillPlainCrowd() []string {
	statements := h.sharedRows()
	for i, t := range h.crowd.schemas {
		statements = append(statements,
			fmt.Sprintf(`CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.item (tenant_id bigint NOT NULL,%[2]s;
				GRANT USAGE ON SCHEMA %[1]s TO %[3]s; GRANT SELECT ON %[1]s.item TO %[3]s`, ownSchema(i), columns, plainRole),
			ownRows(i, t.Number))
	}
	return statements
}

// sharedRows gives the crowd its rows where the first hundred may have all.
func (h *house) sharedRows() []string {
	if len(h.crowd.shared) == 0 {
		return nil
	}
	who := numbers(h.crowd.shared[0].Number, len(h.crowd.shared))
	return []string{fmt.Sprintf(filler, "item", who, every) + ` ON CONFLICT DO NOTHING`}
}

func ownRows(i int, number int64) string {
	return fmt.Sprintf(filler, ownSchema(i)+".item", numbers(number, 1), every)
}
