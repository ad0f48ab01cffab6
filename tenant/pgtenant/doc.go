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
// transaction mode; there, nodes learn of changes by polling. So the pool is
// best one to PostgreSQL itself. Where it is not, it also must not use named
// prepared statements (pgx.QueryExecModeCacheDescribe or QueryExecModeExec).
//
// The pool leads to a server that can write: a standby can neither LISTEN nor
// say which transactions are complete. Changes cannot be part of a prepared
// transaction (PREPARE TRANSACTION), because NOTIFY cannot.
//
// A node sees that the catalog was restored, from files or from a dump, or
// replaced, or that a standby has taken over, and loads all of it again. So it
// does after each restart of the server, because it cannot tell that from a
// restore of its files; a million tenants take seconds, and are served
// meanwhile.
//
// # When the catalog is down
//
// What is known is served from memory for [tenant.Options.MaxStale]; what is
// not known, and every write, fails with [tenant.ErrUnavailable]. Nodes come
// back by themselves, [tenant.Registry.Health] says how they are.
//
// # Rights
//
// Tables are in the schema partywall_catalog, which Open creates and migrates:
// for that it needs CREATE on the database, or to own the schema. A program
// whose role may not do that sets [Options.SkipMigrations]. It needs USAGE on
// the schema, SELECT on all of its tables, INSERT and UPDATE on tenant if it
// writes, and UPDATE on tenant_number_seq to take tenants over with their
// numbers; INSERT on envelope_key to rotate keys, and DELETE to drop them. Who
// can read envelope_key can sign envelopes. Functions of PostgreSQL that it
// calls (pg_control_system, pg_current_wal_lsn) are everybody's unless they
// were revoked.
package pgtenant
