package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/partywall/partywall/tenant"
)

// crowd is the tenants of the loads, in the shared tables and in schemas of their
// own. Each has every tenth row of those that the others have.
type crowd struct{ shared, schemas []tenant.Tenant }

// every is the step between the ids of a crowd's rows, and thereby between the
// numbers of a load's statements: see pointID.
const every = 10

// gather makes the tenants of the loads, so many in schemas of their own. It does
// not provision those: Provision looks at the whole database afterwards, which is
// quick for one schema and not for a thousand. Open looks at them all.
func (h *house) gather(ctx context.Context, schemas int) error {
	var err error
	if h.crowd.shared, err = h.register(ctx, loadTenants, tenant.Shared); err != nil {
		return err
	}
	if h.crowd.schemas, err = h.register(ctx, schemas, tenant.Schema); err != nil {
		return err
	}
	walled, plain := []string{h.sharedRows()}, []string{h.sharedRows()}
	for i, t := range h.crowd.schemas {
		rows := fmt.Sprintf(filler, ownSchema(i)+".item", numbers(t.Number, 1), every)
		walled = append(walled, fmt.Sprintf(walledSchema, ownSchema(i)), wallSchema, rows)
		plain = append(plain, fmt.Sprintf(bareSchema, ownSchema(i), columns, plainRole), rows)
	}
	if err := h.inDatabase(ctx, h.name, walled); err != nil {
		return err
	}
	if err := h.inDatabase(ctx, h.name+"_plain", plain); err != nil {
		return err
	}
	for _, t := range slices.Concat(h.crowd.shared, h.crowd.schemas) {
		if err := h.wall.Activate(ctx, t); err != nil {
			return fmt.Errorf("settling %s: %w", t.Slug, err)
		}
	}
	return nil
}

const (
	// walledSchema is what Provision makes before the host's tables.
	walledSchema = `CREATE SCHEMA %[1]s; SET search_path = %[1]s;
		GRANT USAGE ON SCHEMA %[1]s TO partywall_app, partywall_pooled, partywall_system`
	bareSchema = `CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.item (tenant_id bigint NOT NULL,%[2]s;
		GRANT USAGE ON SCHEMA %[1]s TO %[3]s; GRANT SELECT ON %[1]s.item TO %[3]s`
)

// register makes so many tenants in the registry.
func (h *house) register(ctx context.Context, many int, strategy tenant.Strategy) ([]tenant.Tenant, error) {
	all := make([]tenant.Tenant, many)
	for i := range all {
		p := tenant.Placement{Server: "bench", Strategy: strategy}
		if strategy == tenant.Schema {
			p.Schema = ownSchema(i)
		}
		var err error
		all[i], err = h.tenants.Create(ctx, tenant.Spec{Slug: fmt.Sprintf("%v-%d", strategy, i), Placement: p, Status: tenant.Active})
		if err != nil {
			return nil, fmt.Errorf("settling: %w", err)
		}
	}
	return all, nil
}

// ownSchema is the name of the schema of the i-th tenant that has its own, with
// the wall and without.
func ownSchema(i int) string { return fmt.Sprintf("own_%d", i) }

// sharedRows gives the crowd its rows where the first hundred may have all.
func (h *house) sharedRows() string {
	who := numbers(h.crowd.shared[0].Number, len(h.crowd.shared))
	return fmt.Sprintf(filler, "item", who, every) + ` ON CONFLICT DO NOTHING`
}
