package pgmigrate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
)

// Apply brings the schema of set up to date and returns how many migrations it
// applied, also when it fails: those stay applied. The role of conn needs to
// create in the database only when there is something to do.
//
// Any number of processes may call Apply at once; each migration is applied by
// one of them, and all return when the last is. The lock is held per
// transaction, so Apply works behind a pooler and a killed process leaves none
// behind.
//
// Apply fails with [ErrInvalidSet], a [*FileError], a [*ChangedError] or a
// [*NewerError], after which conn remains usable; other errors are those of
// the connection itself.
func Apply(ctx context.Context, conn *pgx.Conn, set Set) (applied int, err error) {
	files, err := set.load()
	if err != nil {
		return 0, err
	}
	for {
		did, err := applyNext(ctx, conn, set.Schema, files)
		if err != nil || !did {
			return applied, err
		}
		applied++
	}
}

// Check returns nil when the schema of set is as [Apply] would leave it, for
// programs whose role may not create. It fails as Apply does, and with a
// [*BehindError] when migrations are missing. It changes nothing.
func Check(ctx context.Context, conn *pgx.Conn, set Set) error {
	files, err := set.load()
	if err != nil {
		return err
	}
	done, err := appliedCount(ctx, conn, set.Schema, files)
	if err == nil && done < len(files) {
		return &BehindError{Schema: set.Schema, Database: done, Code: len(files)}
	}
	return err
}

// applyNext applies the first missing migration and reports whether there was
// one.
func applyNext(ctx context.Context, conn *pgx.Conn, schema string, files []migration) (did bool, err error) {
	tx, err := conn.BeginTx(ctx, pgtx.Options())
	if err != nil {
		return false, fmt.Errorf("pgmigrate: schema %s: %w", schema, err)
	}
	// A cancelled ctx must not keep the rollback from being sent.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()

	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, pgx.QueryExecModeExec, lockKey(schema)); err != nil {
		return false, fmt.Errorf("pgmigrate: schema %s: taking the lock: %w", schema, err)
	}
	done, err := appliedCount(ctx, conn, schema, files)
	if err != nil || done == len(files) {
		return false, err
	}
	if err := prepare(ctx, tx, schema); err != nil {
		return false, fmt.Errorf("pgmigrate: schema %s: %w", schema, err)
	}
	next := files[done]
	if err := run(ctx, tx, schema, next); err != nil {
		return false, fileError(schema, next, err)
	}
	if err := tx.Commit(ctx); err != nil { // deferred constraints may still fail
		return false, fileError(schema, next, err)
	}
	return true, nil
}

// lockKey gives every schema a lock of its own, apart from the locks of the
// rest of Partywall by the prefix.
func lockKey(schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("partywall/pgmigrate/" + schema)) // a hash does not fail
	return int64(h.Sum64())                                 //nolint:gosec // G115: any 64 bits will do
}

// appliedCount returns how many of files are applied, after checking that they
// are the ones that were.
func appliedCount(ctx context.Context, conn *pgx.Conn, schema string, files []migration) (int, error) {
	table := pgx.Identifier{schema, "migration"}.Sanitize()
	var exists bool
	err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, pgx.QueryExecModeExec, table).Scan(&exists)
	if err != nil || !exists {
		return 0, wrap(schema, err)
	}
	rows, err := conn.Query(ctx, `SELECT version, name, digest FROM `+table+` ORDER BY version`, pgx.QueryExecModeExec)
	if err != nil {
		return 0, wrap(schema, err)
	}
	done, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m migration, err error) {
		return m, row.Scan(&m.version, &m.name, &m.digest)
	})
	if err != nil {
		return 0, wrap(schema, err)
	}
	if len(done) > len(files) {
		return 0, &NewerError{Schema: schema, Database: done[len(done)-1].version, Code: len(files)}
	}
	for i, m := range done {
		if m.version != files[i].version || m.name != files[i].name || m.digest != files[i].digest {
			return 0, &ChangedError{Schema: schema, File: files[i].name, Applied: m.name}
		}
	}
	return len(done), nil
}

func wrap(schema string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pgmigrate: schema %s: reading the version: %w", schema, err)
}

// prepare makes the schema and the version table. Both are looked for first,
// because CREATE … IF NOT EXISTS wants the right to create in either case.
func prepare(ctx context.Context, tx pgx.Tx, schema string) error {
	name := pgx.Identifier{schema}.Sanitize()
	var hasSchema, hasTable bool
	err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.migration') IS NOT NULL`,
		pgx.QueryExecModeExec, name).Scan(&hasSchema, &hasTable)
	if err != nil {
		return err
	}
	if !hasSchema {
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+name); err != nil {
			return err
		}
	}
	if !hasTable {
		_, err = tx.Exec(ctx, `CREATE TABLE `+name+`.migration (
			version    integer PRIMARY KEY CHECK (version > 0),
			name       text NOT NULL,
			digest     text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
		)`)
	}
	return err
}

// run sends m as it is and records it.
func run(ctx context.Context, tx pgx.Tx, schema string, m migration) error {
	name := pgx.Identifier{schema}.Sanitize()
	if _, err := tx.Exec(ctx, `SET LOCAL search_path TO `+name); err != nil {
		return err
	}
	raw := tx.Conn().PgConn()
	// The simple protocol takes a whole file, and reports positions within it.
	if _, err := raw.Exec(ctx, m.sql).ReadAll(); err != nil {
		return err
	}
	if raw.TxStatus() != 'T' {
		return errors.New("the file ended its transaction")
	}
	_, err := tx.Exec(ctx, `INSERT INTO `+name+`.migration (version, name, digest) VALUES ($1, $2, $3)`,
		pgx.QueryExecModeExec, m.version, m.name, m.digest)
	return err
}
