package autotls

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// ledger is a [pace.Ledger] on PostgreSQL, by the database's clock: what one node
// has ordered, all have.
type ledger struct{ pool *pgxpool.Pool }

var _ pace.Ledger = ledger{}

// ledgerTries is how often a take is begun again because a bucket that was full
// was tidied away meanwhile.
const ledgerTries = 5

// Take implements [pace.Ledger].
func (l ledger) Take(ctx context.Context, takes []pace.Take) error {
	for range ledgerTries {
		done, err := l.try(ctx, takes)
		if err != nil || done {
			return err
		}
	}
	return fmt.Errorf("autotls: budget: buckets went away %d times", ledgerTries)
}

func (l ledger) try(ctx context.Context, takes []pace.Take) (done bool, err error) {
	keys := make([]string, len(takes))
	for i, take := range takes {
		keys[i] = take.Key
	}
	err = pgtx.Run(ctx, l.pool, func(tx pgx.Tx) error {
		// Rows are made and locked in the order of their keys, so that two nodes
		// cannot wait for each other.
		var b pgx.Batch
		b.Queue(`INSERT INTO partywall_tls.bucket (key, full_at) SELECT unnest($1::text[]), 'epoch' ON CONFLICT DO NOTHING`, keys)
		b.Queue(`SELECT full_at FROM partywall_tls.bucket WHERE key = ANY($1) ORDER BY key FOR UPDATE`, keys)
		b.Queue(`SELECT clock_timestamp()`)
		results := tx.SendBatch(ctx, &b)
		if _, err := results.Exec(); err != nil {
			return rows(results, err)
		}
		found, err := results.Query()
		if err != nil {
			return rows(results, err)
		}
		full, err := pgx.CollectRows(found, pgx.RowTo[time.Time])
		if err != nil {
			return rows(results, err)
		}
		var now time.Time
		if err := rows(results, results.QueryRow().Scan(&now)); err != nil {
			return err
		}
		if done = len(full) == len(takes); !done {
			return nil
		}
		next, err := pace.Draw(full, takes, now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE partywall_tls.bucket b SET full_at = n.full_at
			FROM unnest($1::text[], $2::timestamptz[]) AS n (key, full_at) WHERE b.key = n.key`, keys, next)
		return err
	})
	return done, err
}

// rows closes what a batch has answered, and returns the first error.
func rows(results pgx.BatchResults, err error) error {
	if closed := results.Close(); err == nil {
		return closed
	}
	return err
}
