package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// bornTables is how many tables a new tenant has, and bornRows how many rows
// there are in the first of them.
const bornTables, bornRows = 20, 50

// bornSQL makes the tables, and bornSeedSQL the rows.
func bornSQL(protect bool) string {
	var sql strings.Builder
	for i := range bornTables {
		key := ""
		if protect {
			key = " DEFAULT partywall.tenant()"
		}
		fmt.Fprintf(&sql, `CREATE TABLE IF NOT EXISTS thing_%d (tenant_id bigint NOT NULL%s, id bigint NOT NULL, name text NOT NULL,
			at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id)); `, i, key)
		if protect {
			fmt.Fprintf(&sql, `SELECT partywall.protect('thing_%d'); `, i)
		}
	}
	return sql.String()
}

const bornSeedSQL = `INSERT INTO thing_0 (id, name) SELECT i, 'thing ' || i FROM generate_series(1, $1::int) i`

// maternity is where tenants are born: a catalog and a data server of its own.
type maternity struct {
	*house

	catalog *pgxpool.Pool
	tenants *pgtenant.Catalog
	db      *isolation.DB
	next    int
}

// measureBirths makes tenants of each strategy, one after the other: with
// nothing prepared, and with places in stock; then all strategies mixed, eight
// at once; and beside them what a host does by hand that gives each tenant a
// database.
func (h *house) measureBirths(ctx context.Context, times int) (all []Latency, err error) {
	m := &maternity{house: h}
	if err := m.open(ctx); err != nil {
		return nil, errors.Join(err, m.close(ctx))
	}
	defer func() { err = errors.Join(err, m.close(ctx)) }()
	strategies := []tenant.Strategy{tenant.Shared, tenant.Schema, tenant.Database}
	for _, stocked := range []bool{false, true} {
		for _, strategy := range strategies {
			if stocked && strategy == tenant.Shared {
				continue
			}
			l, err := m.bear(ctx, strategy, stocked, times)
			if err != nil {
				return nil, fmt.Errorf("making tenants, %s: %w", strategy, err)
			}
			all = append(all, l)
		}
	}
	mixed, err := m.bearAll(ctx, strategies, 3*times)
	if err != nil {
		return nil, err
	}
	byHand, err := m.bearByHand(ctx, times)
	return append(all, mixed, byHand), err
}

// open makes the databases and opens them.
func (m *maternity) open(ctx context.Context) (err error) {
	if err := each(ctx, m.admin, `CREATE DATABASE `+m.name+`_catalog`, `CREATE DATABASE `+m.name+`_born`); err != nil {
		return err
	}
	superuser := m.tcp.User.Username()
	if m.catalog, err = pgxpool.New(ctx, in(m.tcp, superuser, m.name+"_catalog")); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if m.tenants, err = pgtenant.Open(ctx, m.catalog, nil); err != nil {
		return fmt.Errorf("opening the catalog: %w", err)
	}
	m.db, err = isolation.Open(ctx, m.tenants, isolation.Servers{"bench": {
		App: in(m.tcp, appRole, m.name+"_born"), Migrator: in(m.tcp, superuser, m.name+"_born"),
	}}, &isolation.Options{
		Logger: slog.New(slog.DiscardHandler),
		Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
			// As a tool for migrations does, which knows what there is already.
			var there bool
			if err := conn.QueryRow(ctx, `SELECT to_regclass(quote_ident(current_schema) || '.thing_19') IS NOT NULL`).Scan(&there); err != nil || there {
				return err
			}
			_, err := conn.Exec(ctx, bornSQL(true))
			return err
		},
	})
	if err != nil {
		return fmt.Errorf("opening the wall: %w", err)
	}
	return nil
}

func (m *maternity) close(ctx context.Context) error {
	if m.db != nil {
		m.db.Close()
	}
	if m.tenants != nil {
		m.tenants.Close()
	}
	if m.catalog != nil {
		m.catalog.Close()
	}
	rows, err := m.admin.Query(ctx, `SELECT datname FROM pg_database WHERE datname IN ($1, $2) OR starts_with(datname, $3)`,
		m.name+"_catalog", m.name+"_born", m.name+"_t")
	if err != nil {
		return fmt.Errorf("listing databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		_, dropErr := m.admin.Exec(ctx, `DROP DATABASE `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`)
		err = errors.Join(err, dropErr)
	}
	return err
}

// engine starts a worker, with so many places in stock.
func (m *maternity) engine(ctx context.Context, strategy tenant.Strategy, stock int) (*provisioning.Engine, error) {
	policy := &provisioning.Policy{
		Servers: map[string]provisioning.Capacity{"bench": {}}, Prefix: m.name + "_t", Strategy: strategy, Loads: m.tenants.Loads,
		Strategies: map[tenant.Plan]tenant.Strategy{"shared": tenant.Shared, "schema": tenant.Schema, "database": tenant.Database},
	}
	life := &provisioning.Lifecycle{
		Database: m.db, Place: policy.Place,
		Seed: func(ctx context.Context, _ tenant.Tenant, _ func(float64, string)) error {
			_, err := m.db.Once(ctx, "first rows", func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, bornSeedSQL, bornRows)
				return err
			})
			return err
		},
	}
	if stock > 0 {
		life.Stock = &provisioning.Stock{
			Reserve: m.db, Prefix: m.name + "_ts", Release: "1",
			Ready: map[string]map[tenant.Strategy]int{"bench": {strategy: stock}},
		}
	}
	e, err := provisioning.New(m.catalog, m.tenants, &provisioning.Options{Lifecycle: life})
	if err == nil {
		err = e.Start(ctx)
	}
	return e, err
}

// bear makes tenants one after the other. The stock is filled before each, so
// that it is never the making of the next place that is timed.
func (m *maternity) bear(ctx context.Context, strategy tenant.Strategy, stocked bool, times int) (Latency, error) {
	name, stock := "a new tenant, "+string(strategy), 0
	if stocked {
		name, stock = name+", from the stock", 1
	}
	e, err := m.engine(ctx, strategy, stock)
	if err != nil {
		return Latency{}, err
	}
	defer func() { err = errors.Join(err, e.Stop(context.WithoutCancel(ctx))) }()
	var took []time.Duration
	for range times {
		for idle := stock == 0; !idle; {
			err := m.catalog.QueryRow(ctx, `SELECT count(*) = $1 AND NOT EXISTS (SELECT FROM partywall_operations.operation WHERE ended_at IS NULL)
				FROM partywall_operations.spare WHERE state = 'ready' AND strategy = $2`, stock, string(strategy)).Scan(&idle)
			if err != nil {
				return Latency{}, fmt.Errorf("waiting for the stock: %w", err)
			}
		}
		began := time.Now()
		if err := m.one(ctx, e, ""); err != nil {
			return Latency{}, err
		}
		took = append(took, time.Since(began))
	}
	l := newLatency(name, took)
	l.Note = fmt.Sprintf("%d tables, %d rows, from the request to active", bornTables, bornRows)
	return l, err
}

// one makes a tenant.
func (m *maternity) one(ctx context.Context, e *provisioning.Engine, plan tenant.Plan) error {
	m.next++
	op, err := e.Provision(ctx, tenant.Spec{Slug: fmt.Sprintf("born-%d", m.next), Plan: plan}, nil)
	if err == nil {
		_, err = op.Wait(ctx)
	}
	return err
}

// bearAll asks for all at once, and lets eight workers make them.
func (m *maternity) bearAll(ctx context.Context, strategies []tenant.Strategy, times int) (Latency, error) {
	e, err := m.engine(ctx, tenant.Shared, 0)
	if err != nil {
		return Latency{}, err
	}
	defer func() { err = errors.Join(err, e.Stop(context.WithoutCancel(ctx))) }()
	began := time.Now()
	var waiting sync.WaitGroup
	took, errs := make([]time.Duration, times), make([]error, times)
	for i := range times {
		m.next++
		op, err := e.Provision(ctx, tenant.Spec{Slug: fmt.Sprintf("born-%d", m.next), Plan: tenant.Plan(strategies[i%len(strategies)])}, nil)
		if err != nil {
			return Latency{}, err
		}
		waiting.Go(func() {
			_, errs[i] = op.Wait(ctx)
			took[i] = time.Since(began)
		})
	}
	waiting.Wait()
	l := newLatency("as many of each, asked for at once", took)
	l.Note = fmt.Sprintf("%d tenants in %.1f s", times, time.Since(began).Seconds())
	return l, errors.Join(err, errors.Join(errs...))
}

// bearByHand does what a host does by hand: a database, its tables one by one,
// the rows.
func (m *maternity) bearByHand(ctx context.Context, times int) (Latency, error) {
	var took []time.Duration
	for i := range times {
		name := fmt.Sprintf("%s_thand%d", m.name, i)
		began := time.Now()
		if _, err := m.admin.Exec(ctx, `CREATE DATABASE `+name); err != nil {
			return Latency{}, fmt.Errorf("by hand: %w", err)
		}
		conn, err := pgx.Connect(ctx, in(m.tcp, m.tcp.User.Username(), name))
		if err != nil {
			return Latency{}, fmt.Errorf("by hand: %w", err)
		}
		for sql := range strings.SplitSeq(strings.TrimSuffix(bornSQL(false), "; "), "; ") {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return Latency{}, errors.Join(fmt.Errorf("by hand: %w", err), conn.Close(ctx))
			}
		}
		_, err = conn.Exec(ctx, strings.Replace(strings.Replace(bornSeedSQL, "(id", "(tenant_id, id", 1), "SELECT i", "SELECT 1, i", 1), bornRows)
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return Latency{}, fmt.Errorf("by hand: %w", err)
		}
		took = append(took, time.Since(began))
	}
	l := newLatency("a database by hand", took)
	l.Note = "CREATE DATABASE and each table, without a wall, a record or a way back"
	return l, nil
}
