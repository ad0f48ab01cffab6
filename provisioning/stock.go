package provisioning

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant"
)

// Reserve makes places before their tenants, and ends those that are not
// wanted: an *isolation.DB.
type Reserve interface {
	Reserve(ctx context.Context, p tenant.Placement) error
	Release(ctx context.Context, p tenant.Placement) error
}

// Stock keeps schemas and databases ready for tenants to come, with the host's
// tables in them. A new tenant takes one if there is one, and has one made
// otherwise.
type Stock struct {
	// Reserve makes the places. Required.
	Reserve Reserve
	// Ready is how many places are kept ready, by server and strategy.
	Ready map[string]map[tenant.Strategy]int
	// Release is the version of the host's tables. Places that were made with
	// another one are brought up to date, in the background.
	Release string
	// Prefix begins the places' names; at most 20 bytes. Defaults to "spare_".
	Prefix string
}

// Spare is the input of the operation "stock", which makes one place ready.
type Spare struct {
	Name     string          `json:"name"`
	Server   string          `json:"server"`
	Strategy tenant.Strategy `json:"strategy"`
	Release  string          `json:"release"`
}

// placement is where the place is.
func (s Spare) placement() tenant.Placement {
	p := tenant.Placement{Server: s.Server, Strategy: s.Strategy}
	if s.Strategy == tenant.Schema {
		p.Schema = s.Name
	} else {
		p.Database = s.Name
	}
	return p
}

// stockTimeout is how long one place may take to be made.
const stockTimeout = 15 * time.Minute

// stocking is the operation "stock".
func (l *lifecycle) stocking() Kind[Spare, struct{}] {
	type run = Run[Spare, struct{}]
	mark := func(r *run, sql string, args ...any) {
		r.WithStep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql, args...)
			return err
		})
	}
	return Kind[Spare, struct{}]{Name: "stock", Beside: true, Timeout: stockTimeout, Stages: []Stage[Spare, struct{}]{{{
		Name: "make",
		Do: func(ctx context.Context, r *run) error {
			mark(r, `UPDATE partywall_operations.spare SET state = 'ready', release = $2 WHERE name = $1`, r.Input.Name, r.Input.Release)
			return l.Stock.Reserve.Reserve(ctx, r.Input.placement())
		},
		Compensate: func(ctx context.Context, r *run) error {
			mark(r, `DELETE FROM partywall_operations.spare WHERE name = $1`, r.Input.Name)
			return l.Stock.Reserve.Release(ctx, r.Input.placement())
		},
		Final: true,
	}}}}
}

// keepStock starts what is to be made, until the worker stops. One node at a
// time looks.
func (w *worker) keepStock() {
	again := time.NewTicker(w.engine.opts.Sweep)
	defer again.Stop()
	for {
		if err := w.engine.lifecycle.restock(w.ctx); err != nil && w.ctx.Err() == nil {
			w.engine.opts.Logger.WarnContext(w.ctx, "provisioning: looking at the stock of places", "error", err)
		}
		select {
		case <-w.stopping:
			return
		case <-w.claims:
		case <-again.C:
		}
	}
}

// stockLock is held while one node looks at the stock.
const stockLock = 5784945678139654146

// restock starts an operation for each place that is missing, or out of date.
func (l *lifecycle) restock(ctx context.Context) error {
	var started []ID
	err := pgtx.Run(ctx, l.engine.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(stockLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		todo, err := l.missing(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range todo {
			h, err := l.stock.StartTx(ctx, l.engine, tx, s, &Request{Actor: "stock"})
			if err != nil {
				return err
			}
			started = append(started, h.id)
		}
		return nil
	})
	if err == nil {
		for _, id := range started {
			l.engine.offer(id)
		}
	}
	return err
}

// missing lists the places that are to be made or brought up to date, and puts
// them down as being made.
func (l *lifecycle) missing(ctx context.Context, tx pgx.Tx) (todo []Spare, err error) {
	rows, err := tx.Query(ctx, `
		UPDATE partywall_operations.spare SET state = 'making' WHERE state = 'ready' AND release <> $1
		RETURNING name, server, strategy, $1`, l.Stock.Release)
	if err != nil {
		return nil, err
	}
	if todo, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Spare]); err != nil {
		return nil, err
	}
	for server, strategies := range l.Stock.Ready {
		for strategy, wanted := range strategies {
			var have int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM partywall_operations.spare WHERE server = $1 AND strategy = $2`,
				server, string(strategy)).Scan(&have)
			if err != nil {
				return nil, err
			}
			for ; have < wanted; have++ {
				s := Spare{Name: l.Stock.name(), Server: server, Strategy: strategy, Release: l.Stock.Release}
				todo = append(todo, s)
				if _, err := tx.Exec(ctx, `INSERT INTO partywall_operations.spare (name, server, strategy, release, state) VALUES ($1, $2, $3, $4, 'making')`,
					s.Name, s.Server, string(s.Strategy), s.Release); err != nil {
					return nil, err
				}
			}
		}
	}
	return todo, nil
}

// name is one that no place has.
func (s *Stock) name() string {
	prefix := s.Prefix
	if prefix == "" {
		prefix = "spare_"
	}
	var random [8]byte
	rand.Read(random[:]) // crypto/rand.Read never fails; it ends the program instead
	return fmt.Sprintf("%s%x", prefix, random)
}

// take takes a place that is ready out of the stock, for a tenant that is to go
// to one of its kind; the placement stays as it is when there is none.
func (l *lifecycle) take(ctx context.Context, tx pgx.Tx, p tenant.Placement) (tenant.Placement, error) {
	if l.Stock == nil {
		return p, nil
	}
	spare := Spare{Server: p.Server, Strategy: p.Strategy}
	err := tx.QueryRow(ctx, `
		DELETE FROM partywall_operations.spare WHERE name = (
			SELECT name FROM partywall_operations.spare
			WHERE server = $1 AND strategy = $2 AND state = 'ready' ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING name`, p.Server, string(p.Strategy)).Scan(&spare.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("provisioning: taking a place out of the stock: %w", err)
	}
	ready := spare.placement()
	ready.Bucket, ready.Cache = p.Bucket, p.Cache
	return ready, nil
}

// validate tells all that is wrong with a stock.
func (s *Stock) validate() error {
	var errs []error
	if s.Reserve == nil {
		errs = append(errs, invalid("Stock.Reserve is nil"))
	}
	if len(s.Prefix) > 20 {
		errs = append(errs, invalid("Stock.Prefix is longer than 20 bytes"))
	}
	for server, strategies := range s.Ready {
		for strategy, n := range strategies {
			if n < 0 || strategy != tenant.Schema && strategy != tenant.Database {
				errs = append(errs, invalid("Stock.Ready: %d places of strategy %q on %q", n, strategy, server))
			}
		}
	}
	return errors.Join(errs...)
}
