// Package pgtenant keeps the catalog of tenants on PostgreSQL, version 14 or
// later.
//
// [Open] is all that most programs call:
//
//	tenants, err := pgtenant.Open(ctx, catalogPool, nil)
//	if err != nil { … }
//	defer tenants.Close()
//	acme, err := tenants.Create(ctx, tenant.Spec{Slug: "acme", Plan: "pro"})
//
// The [Catalog] is a started [tenant.Registry]. A write can share a transaction
// with the host's own:
//
//	err = pgx.BeginFunc(ctx, catalogPool, func(tx pgx.Tx) error {
//		t, err := tenants.WithTx(tx).Create(ctx, tenant.Spec{Slug: "acme"})
//		if err != nil {
//			return err
//		}
//		_, err = tx.Exec(ctx, `INSERT INTO account (tenant_id, owner) VALUES ($1, $2)`, t.Number, owner)
//		return err
//	})
//
// # How nodes learn of changes
//
// Every change of a row is stamped with its transaction, and announced by
// NOTIFY within it. A node that hears of it, or polls, asks for the rows whose
// transaction was not complete when it asked before. That is exact however
// long a transaction takes to commit, needs no counter on which writers would
// wait for each other, and costs two index probes when nothing has changed.
// LISTEN needs a connection of its own and cannot pass through PgBouncer's
// transaction mode; there, nodes learn of changes by polling.
//
// A node sees that the catalog was restored to an earlier state, or replaced,
// and loads all of it again.
//
// # Rights
//
// Tables are in the schema partywall_catalog, which Open creates and migrates.
// A program whose role may not do that sets [Options.SkipMigrations]. It needs
// USAGE on the schema, SELECT on all of its tables, INSERT and UPDATE on tenant
// if it writes. Who can read envelope_key can sign envelopes.
package pgtenant
