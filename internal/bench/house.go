package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// places are where the servers are.
type places struct {
	tcp, socket *url.URL // the superuser's
	bouncer     string   // host:port
}

// environment reads what internal/testenv sets.
func environment() (places, error) {
	tcp, err := url.Parse(os.Getenv("PARTYWALL_TEST_POSTGRES"))
	socket, socketErr := url.Parse(os.Getenv("PARTYWALL_TEST_SOCKET"))
	p := places{tcp: tcp, socket: socket, bouncer: os.Getenv("PARTYWALL_TEST_PGBOUNCER")}
	if err != nil || socketErr != nil || tcp.Host == "" || socket.Scheme == "" || p.bouncer == "" {
		return p, errors.New("needs servers; run: go run ./internal/testenv -- go run ./internal/bench")
	}
	return p, nil
}

// house is the databases of one run: one behind the wall, one tenant's own,
// and one with the same rows and no wall.
type house struct {
	places

	version string
	admin   *pgx.Conn
	name    string
	tenants *tenant.Registry
	who     map[string]tenant.Tenant
	wall    *isolation.DB // as it was opened first
	crowd   crowd
	closers []func()
}

const (
	appRole    = "partywall_bench_app"
	pooledRole = "partywall_bench_pooled"
	plainRole  = "partywall_bench_plain"
)

// openHouse makes and fills the databases.
func openHouse(ctx context.Context, env places) (*house, error) {
	h := &house{places: env, name: "bench_" + strings.ToLower(rand.Text()[:8]), who: map[string]tenant.Tenant{}}
	var err error
	if h.admin, err = pgx.Connect(ctx, env.tcp.String()); err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	steps := []func(context.Context) error{h.create, h.settle, h.fill}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, h.close(ctx))
		}
	}
	return h, nil
}

// create makes the databases and the role of hand-written pgx.
func (h *house) create(ctx context.Context) error {
	if err := h.admin.QueryRow(ctx, `SHOW server_version`).Scan(&h.version); err != nil {
		return fmt.Errorf("asking for the version: %w", err)
	}
	return each(ctx, h.admin,
		`DO $$ BEGIN CREATE ROLE `+plainRole+` LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		`CREATE DATABASE `+h.name, `CREATE DATABASE `+h.name+`_own`, `CREATE DATABASE `+h.name+`_plain`)
}

// settle opens the wall once, to make it, and gives the tenants their places.
func (h *house) settle(ctx context.Context) error {
	var err error
	if h.tenants, err = tenant.NewRegistry(memtenant.New(), nil); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if err := h.tenants.Start(ctx); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	h.closers = append(h.closers, h.tenants.Close)
	db, err := h.open(ctx, isolation.Server{App: h.at(h.tcp, appRole)}, &isolation.Options{Migrate: migrate})
	if err != nil {
		return err
	}
	for slug, p := range map[string]tenant.Placement{
		"acme":     {Strategy: tenant.Shared},
		"globex":   {Strategy: tenant.Shared},
		"initech":  {Strategy: tenant.Schema, Schema: "initech"},
		"umbrella": {Strategy: tenant.Database, Database: h.name + "_own"},
	} {
		p.Server = "bench"
		t, err := h.tenants.Create(ctx, tenant.Spec{Slug: slug, Placement: p, Status: tenant.Active})
		if err == nil {
			err = db.Provision(ctx, t)
		}
		if err != nil {
			return fmt.Errorf("settling %s: %w", slug, err)
		}
		h.who[slug] = t
	}
	h.wall = db
	return nil
}

// open opens the wall; the house closes it.
func (h *house) open(ctx context.Context, s isolation.Server, opts *isolation.Options) (*isolation.DB, error) {
	s.Migrator = h.at(h.tcp, h.tcp.User.Username())
	opts.Logger = slog.New(slog.DiscardHandler)
	db, err := isolation.Open(ctx, h.tenants, isolation.Servers{"bench": s}, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the wall: %w", err)
	}
	h.closers = append(h.closers, db.Close)
	return db, nil
}

// at returns the URL of a role to the database behind the wall.
func (h *house) at(base *url.URL, role string) string { return in(base, role, h.name) }

func in(base *url.URL, role, database string) string {
	u := *base
	u.User, u.Path = url.User(role), "/"+database
	return u.String()
}

// filler gives each of the tenants every so manieth of a thousand rows.
const filler = `INSERT INTO %s (tenant_id, id, name, price)
	SELECT t, i, 'item ' || i || ' of ' || t, i * 100 FROM %s AS t, generate_series(1, 1000, %d) AS i`

// numbers is so many tenants in SQL, from the first on.
func numbers(first int64, many int) string {
	return fmt.Sprintf(`generate_series(%d, %d)`, first, first+int64(many)-1)
}

// fill gives every place its rows. The shared tables hold those of a hundred
// tenants, as the tables without a wall do.
func (h *house) fill(ctx context.Context) error {
	shared := numbers(min(h.who["acme"].Number, h.who["globex"].Number), 100)
	rows := func(table, who string) string { return fmt.Sprintf(filler, table, who, 1) }
	only := func(slug string) string { return numbers(h.who[slug].Number, 1) }
	plan := map[string][]string{
		h.name:            {rows("item", shared), rows("initech.item", only("initech"))},
		h.name + "_own":   {rows("item", only("umbrella"))},
		h.name + "_plain": {plainSchema, rows("item", shared), rows("item_rls", shared)},
	}
	for database, statements := range plan {
		if err := h.inDatabase(ctx, database, statements); err != nil {
			return err
		}
	}
	return nil
}

// inDatabase runs statements as the superuser, and has what they wrote on disk
// and known to the planner.
func (h *house) inDatabase(ctx context.Context, database string, statements []string) error {
	conn, err := pgx.Connect(ctx, in(h.tcp, h.tcp.User.Username(), database))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	err = each(ctx, conn, append(statements, `VACUUM ANALYZE`)...)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("filling %s: %w", database, err)
	}
	return each(ctx, h.admin, `CHECKPOINT`)
}

// closeSince ends what was opened since there was so much.
func (h *house) closeSince(open int) {
	for _, end := range slices.Backward(h.closers[open:]) {
		end()
	}
	h.closers = h.closers[:open]
}

// close drops what was made, also when the run was interrupted.
func (h *house) close(ctx context.Context) error {
	h.closeSince(0)
	ctx = context.WithoutCancel(ctx)
	err := each(ctx, h.admin,
		`DROP DATABASE IF EXISTS `+h.name+` WITH (FORCE)`,
		`DROP DATABASE IF EXISTS `+h.name+`_own WITH (FORCE)`,
		`DROP DATABASE IF EXISTS `+h.name+`_plain WITH (FORCE)`)
	return errors.Join(err, h.admin.Close(ctx))
}

func each(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.40q: %w", sql, err)
		}
	}
	return nil
}
