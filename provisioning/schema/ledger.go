package schema

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/isolation"
)

//go:embed migrations
var ledgerFiles embed.FS

// key names a place.
type key struct{ server, database, schema string }

func keyOf(to isolation.Target) key { return key{to.Server, to.Database, to.Schema} }

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.server, other.server), cmp.Compare(k.database, other.database), cmp.Compare(k.schema, other.schema))
}

// entry is what the catalog has of a place.
type entry struct {
	key

	strategy    string
	version     int64
	release     string
	fingerprint string
	attempts    int
	trouble     trouble
}

// trouble is why a place failed; the zero value is none.
type trouble struct {
	version   int64
	file      string
	line      int
	statement string
	code      string
	err       string
}

// ledger is the catalog's table of places.
type ledger struct {
	pool *pgxpool.Pool

	mu   sync.Mutex
	made bool
}

// open brings the tables of the ledger up to date, once.
func (l *ledger) open(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made {
		return nil
	}
	files, err := fs.Sub(ledgerFiles, "migrations")
	if err != nil {
		return err
	}
	err = l.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		_, err := pgmigrate.Apply(ctx, conn.Conn(), pgmigrate.Set{Schema: "partywall_schema", Files: files})
		return err
	})
	if err != nil {
		return fmt.Errorf("schema: the catalog: %w", err)
	}
	l.made = true
	return nil
}

// all reads the table.
func (l *ledger) all(ctx context.Context) (map[key]entry, error) {
	rows, err := l.pool.Query(ctx, `SELECT server, database, schema, strategy, version, release, fingerprint, attempts,
		failed_version, file, line, statement, code, error FROM partywall_schema.place`)
	if err != nil {
		return nil, fmt.Errorf("schema: reading the places: %w", err)
	}
	known := map[key]entry{}
	var e entry
	_, err = pgx.ForEachRow(rows, []any{
		&e.server, &e.database, &e.schema, &e.strategy, &e.version, &e.release, &e.fingerprint, &e.attempts,
		&e.trouble.version, &e.trouble.file, &e.trouble.line, &e.trouble.statement, &e.trouble.code, &e.trouble.err,
	}, func() error {
		known[e.key] = e
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("schema: reading the places: %w", err)
	}
	return known, nil
}

// write sets what is known of some places. An empty fingerprint leaves the one
// that is there, unless the release is another now.
func (l *ledger) write(ctx context.Context, list []entry) error {
	// In one order, so that nodes that know of the same places do not wait for
	// each other in a circle.
	slices.SortFunc(list, func(a, b entry) int { return a.compare(b.key) })
	batch := &pgx.Batch{}
	for _, e := range list {
		batch.Queue(`INSERT INTO partywall_schema.place AS p (server, database, schema, strategy, version, release, fingerprint,
				attempts, failed_version, file, line, statement, code, error)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (server, database, schema) DO UPDATE SET strategy = excluded.strategy, version = excluded.version,
				release = excluded.release, attempts = excluded.attempts, failed_version = excluded.failed_version, file = excluded.file,
				line = excluded.line, statement = excluded.statement, code = excluded.code, error = excluded.error,
				changed_at = clock_timestamp(), fingerprint = CASE
					WHEN excluded.fingerprint <> '' OR excluded.release <> p.release THEN excluded.fingerprint ELSE p.fingerprint END`,
			e.server, e.database, e.schema, e.strategy, e.version, e.release, e.fingerprint, e.attempts,
			e.trouble.version, e.trouble.file, e.trouble.line, e.trouble.statement, e.trouble.code, e.trouble.err)
	}
	// One transaction: a batch is.
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("schema: writing down what was done: %w", err)
	}
	return nil
}

// usual returns the fingerprint that most places of one kind have beside the one
// given, of the same release on the same server, and how many they are.
func (l *ledger) usual(ctx context.Context, e entry) (fingerprint string, places int, err error) {
	err = l.pool.QueryRow(ctx, `SELECT fingerprint, count(*) FROM partywall_schema.place
		WHERE server = $1 AND strategy = $2 AND release = $3 AND fingerprint <> '' AND (database, schema) <> ($4, $5)
		GROUP BY fingerprint ORDER BY count(*) DESC, fingerprint LIMIT 1`,
		e.server, e.strategy, e.release, e.database, e.schema).Scan(&fingerprint, &places)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("schema: reading the places: %w", err)
	}
	return fingerprint, places, nil
}

// forget drops the entries of places that are no more.
func (l *ledger) forget(ctx context.Context, gone []key) error {
	slices.SortFunc(gone, key.compare)
	batch := &pgx.Batch{}
	for _, k := range gone {
		batch.Queue(`DELETE FROM partywall_schema.place WHERE server = $1 AND database = $2 AND schema = $3`, k.server, k.database, k.schema)
	}
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("schema: forgetting places that are no more: %w", err)
	}
	return nil
}

// compare fails with a [*ChangedError] for migrations that were others when they
// ran somewhere.
func (l *ledger) compare(ctx context.Context, list []Migration) error {
	versions, _, digests := lists(list)
	rows, err := l.pool.Query(ctx, `SELECT s.file FROM unnest($1::bigint[], $2::text[]) AS n (version, digest)
		JOIN partywall_schema.migration_seen s USING (version) WHERE s.digest <> n.digest ORDER BY n.version`, versions, digests)
	if err != nil {
		return fmt.Errorf("schema: reading the migrations: %w", err)
	}
	changed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(changed) > 0 {
		err = &ChangedError{Files: changed}
	}
	return err
}

// see writes down how migrations are that have run somewhere.
func (l *ledger) see(ctx context.Context, list []Migration) error {
	versions, files, digests := lists(list)
	_, err := l.pool.Exec(ctx, `INSERT INTO partywall_schema.migration_seen AS s (version, file, digest)
		SELECT version, file, digest FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n (version, file, digest)
		ON CONFLICT (version) DO UPDATE SET file = excluded.file, digest = excluded.digest WHERE s.digest <> excluded.digest`,
		versions, files, digests)
	if err != nil {
		return fmt.Errorf("schema: writing down the migrations: %w", err)
	}
	return nil
}

func lists(list []Migration) (versions []int64, files, digests []string) {
	for _, m := range list {
		versions, files, digests = append(versions, m.Version), append(files, m.name()), append(digests, m.digest)
	}
	return versions, files, digests
}
