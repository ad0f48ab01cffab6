package isolation

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Result is what one tenant answered to a [FanOut].
type Result[T any] struct {
	// Tenant is whose answer this is. It is the zero Tenant when the list of
	// tenants itself failed.
	Tenant tenant.Tenant
	// Rows are the rows of the query, nil when Err is not.
	Rows []T
	// Err says why there is no answer. The other tenants' are not affected.
	Err error

	panicked any // what the host's code panicked with
}

// fanOutWorkers is how many tenants are asked at once: a report must not take
// the connections that requests need.
const fanOutWorkers = 4

// FanOut asks every tenant the same question and yields the answers as they
// come, those that failed among them. Each tenant is asked behind the wall, as
// itself, in a transaction that cannot write; tenants that are not active are
// asked too, as long as they have data.
//
// ctx must be one of [AsSystem], whose reason is told to the audit once. What
// is under way when the caller stops is cancelled.
func FanOut[T any](ctx context.Context, db *DB, tenants iter.Seq2[tenant.Tenant, error], scan pgx.RowToFunc[T], sql string, args ...any) iter.Seq[Result[T]] {
	return func(yield func(Result[T]) bool) {
		use, ok := systemUse(ctx)
		if !ok || use.reason == "" {
			yield(Result[T]{Err: fmt.Errorf("%w: FanOut needs a context of AsSystem, with a reason", ErrRefused)})
			return
		}
		db.opts.Audit(ctx, SystemUse{Reason: use.reason, SQL: "FANOUT"})
		inside, cancel := context.WithCancel(context.WithValue(tenant.Without(ctx), systemKey{}, nil))
		defer cancel()
		ask := func(t tenant.Tenant) (r Result[T]) {
			// In a goroutine of ours nobody could recover: it goes on in the caller's.
			defer func() { r.panicked = recover() }()
			rows, err := askOne(tenant.Admit(inside, t), db, scan, sql, args)
			return Result[T]{Tenant: t, Rows: rows, Err: err}
		}
		for r := range spread(inside, tenants, ask) {
			if r.panicked != nil {
				panic(r.panicked)
			}
			if !yield(r) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Result[T]{Err: err})
		}
	}
}

// askOne runs the query for one tenant.
func askOne[T any](ctx context.Context, db *DB, scan pgx.RowToFunc[T], sql string, args []any) (out []T, err error) {
	err = db.Tx(ctx, &pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, scan)
		return err
	})
	return out, err
}

// spread calls ask for every tenant, a few at a time, and yields the answers.
// Stopping the iteration ends the workers once ctx is cancelled.
func spread[T any](ctx context.Context, tenants iter.Seq2[tenant.Tenant, error], ask func(tenant.Tenant) Result[T]) iter.Seq[Result[T]] {
	return func(yield func(Result[T]) bool) {
		work, results := make(chan tenant.Tenant), make(chan Result[T])
		send := func(r Result[T]) bool {
			select {
			case results <- r:
				return true
			case <-ctx.Done():
				return false
			}
		}
		var workers sync.WaitGroup
		workers.Go(func() {
			defer close(work)
			for t, err := range tenants {
				if err != nil && !send(Result[T]{Err: err}) || ctx.Err() != nil {
					return
				}
				if err != nil {
					continue
				}
				select {
				case work <- t:
				case <-ctx.Done():
					return
				}
			}
		})
		for range fanOutWorkers {
			workers.Go(func() {
				for t := range work {
					if !send(ask(t)) {
						return
					}
				}
			})
		}
		go func() {
			workers.Wait()
			close(results)
		}()
		for r := range results {
			if !yield(r) {
				return
			}
		}
	}
}
