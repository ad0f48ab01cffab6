package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

func strategies() []tenant.Strategy {
	return []tenant.Strategy{tenant.Shared, tenant.Schema, tenant.Database}
}

// hostSQL is the host's tables, with keys as the wall wants them.
const hostSQL = `
	CREATE TABLE IF NOT EXISTS orders (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id        bigint NOT NULL,
		item      text   NOT NULL,
		PRIMARY KEY (tenant_id, id));
	CREATE TABLE IF NOT EXISTS accounts (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id        bigserial,
		email     text NOT NULL,
		PRIMARY KEY (tenant_id, id),
		UNIQUE (tenant_id, email));
	CREATE TABLE IF NOT EXISTS lines (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		order_id  bigint,
		FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id));
	SELECT partywall.protect('orders'), partywall.protect('accounts'), partywall.protect('lines');`

// house is a wall with an attacker and a victim of each strategy behind it, and
// beside it a database without one. Its roles are its own, so that a test may
// spoil them.
type house struct {
	site

	mode    mode.Mode
	name    string // of the database of the shared tables
	app     string // the role that serves tenants
	key     isolation.Key
	tenants *tenant.Registry
	admins  admins
	db      *isolation.DB
	tight   *isolation.DB // with a single connection, which tenants use in turn
	plain   *plain
	pairs   map[tenant.Strategy]*pair

	strategies []tenant.Strategy
	platforms  string // the database of the domains' catalogs, once there is one

	closers []func()
}

// pair is who plays in one strategy.
type pair struct{ attacker, victim party }

// openHouse builds a house for some strategies. The caller closes it, also after
// an error.
func openHouse(ctx context.Context, s site, m mode.Mode, in ...tenant.Strategy) (*house, error) {
	h := &house{site: s, mode: m, name: unique("attack"), key: isolation.NewKey(1), strategies: in, pairs: map[tenant.Strategy]*pair{}}
	h.app = h.name + "_app"
	h.admins = admins{s, map[string]*pgx.Conn{}}
	var err error
	if h.plain, err = openPlain(ctx, s, m, h.name+"_plain"); err != nil {
		return h, err
	}
	if err := s.admin(ctx, "postgres", `CREATE DATABASE `+h.name+` TEMPLATE template0`); err != nil {
		return h, err
	}
	if h.tenants, err = tenant.NewRegistry(memtenant.New(), &tenant.Options{Logger: silent()}); err != nil {
		return h, err
	}
	if err := h.tenants.Start(ctx); err != nil {
		return h, err
	}
	h.closers = append(h.closers, h.tenants.Close)
	migrating := func(s *isolation.Server) { s.Migrator, s.MaxConns = h.url("", h.name), 8 }
	if h.db, err = h.open(ctx, migrating); err != nil {
		return h, err
	}
	if h.tight, err = h.open(ctx, func(s *isolation.Server) { s.MaxConns = 1 }); err != nil {
		return h, err
	}
	for _, strategy := range in {
		if err := h.settle(ctx, strategy); err != nil {
			return h, fmt.Errorf("settling %s: %w", strategy, err)
		}
	}
	return h, nil
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open opens the wall over the house, as a process that only serves. change may
// alter the server; what it leaves is as the mode says.
func (h *house) open(ctx context.Context, change func(*isolation.Server)) (*isolation.DB, error) {
	s := isolation.Server{App: h.url(h.app, h.name), Keys: []isolation.Key{h.key}, Pooled: h.mode.Pooled}
	if h.mode.Pooled {
		s.App = h.through(h.app, h.name)
	}
	change(&s)
	opts := &isolation.Options{
		ExecMode: h.mode.Exec, Logger: silent(),
		AcquireTimeout: time.Minute, // attacks are about other things, on machines of any speed
		FenceWait:      100 * time.Millisecond,
		Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
			_, err := conn.Exec(ctx, hostSQL)
			return err
		},
	}
	for attempt := 0; ; attempt++ {
		db, err := isolation.Open(ctx, h.tenants, isolation.Servers{"eu-1": s}, opts)
		if err == nil {
			h.closers = append(h.closers, db.Close)
		}
		// Another house takes its roles away at this very moment, and the
		// inspection trips over one that it has just seen.
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42704" || attempt == 10 {
			return db, err
		}
	}
}

// settle gives an attacker and a victim their places.
func (h *house) settle(ctx context.Context, strategy tenant.Strategy) error {
	p := &pair{}
	for _, role := range []string{"attacker", "victim"} {
		slug := string(strategy) + "-" + role
		place := tenant.Placement{Server: "eu-1", Strategy: strategy}
		switch strategy {
		case tenant.Schema:
			place.Schema = "place_of_" + role
		case tenant.Database:
			place.Database = h.name + "_" + role
		}
		who, err := h.tenants.Create(ctx, tenant.Spec{Slug: slug, Placement: place, Status: tenant.Active})
		if err != nil {
			return err
		}
		if err := h.db.Provision(ctx, who); err != nil {
			return err
		}
		one := party{Tenant: who, canary: unique("canary"), guess: unique("guess")}
		if role == "victim" {
			p.victim = one
		} else {
			p.attacker = one
		}
	}
	h.pairs[strategy] = p
	return nil
}

// domains is the URL of the database that one catalog of domains after the other
// is played on.
func (h *house) domains(ctx context.Context) (string, error) {
	if h.platforms == "" {
		if err := h.admin(ctx, "postgres", `CREATE DATABASE `+h.name+`_domains TEMPLATE template0`); err != nil {
			return "", err
		}
		h.platforms = h.url("", h.name+"_domains")
	}
	return h.platforms, nil
}

// close takes down what was built.
func (h *house) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for _, end := range slices.Backward(h.closers) {
		end()
	}
	err := errors.Join(h.admins.close(ctx), h.plain.close(ctx))
	for _, database := range []string{h.name, h.name + "_attacker", h.name + "_victim", h.name + "_domains"} {
		err = errors.Join(err, h.admin(ctx, "postgres", `DROP DATABASE IF EXISTS `+database+` WITH (FORCE)`))
	}
	return errors.Join(err, h.admin(ctx, "postgres", `DROP ROLE IF EXISTS `+h.app))
}
