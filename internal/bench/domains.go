package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/certtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/autotls"
	"github.com/partywall/partywall/tenant/memtenant"
)

// Start is what it takes a node to know of so many things when it opens.
type Start struct {
	Of      string  `json:"of"`
	Count   int     `json:"count"`
	Seconds float64 `json:"seconds"`    // the median
	Bytes   float64 `json:"bytes_each"` // of memory, the median
}

// starts is how often each is done.
const starts = 5

// edge is a node that serves tenants' hosts, of which the first have a
// certificate.
type edge struct {
	hosts, certificates int

	database *pgx.Conn // of the superuser
	name     string
	pool     *pgxpool.Pool
	tenants  *tenant.Registry
	mint     *certtest.Mint
	key      []byte
	catalog  *domain.Catalog
	manager  *autotls.Manager
	starts   []Start
}

// measureDomains measures how a node with many hosts starts, finds one, and
// shows its certificate.
func (s *settings) measureDomains(ctx context.Context, r *report) (err error) {
	env, err := environment()
	if err != nil {
		return err
	}
	e, err := openEdge(ctx, env, 100_000, 10_000)
	if err != nil {
		return fmt.Errorf("domains: %w", err)
	}
	defer func() { err = errors.Join(err, e.close(ctx)) }()
	benches, err := e.benches(ctx, s.only)
	if err != nil {
		return fmt.Errorf("domains: %w", err)
	}
	r.Starts = e.starts
	r.Domains, err = measure(ctx, benches, s.domains, s.burst)
	return err
}

// openEdge makes a database with hosts and certificates, and a node on it.
func openEdge(ctx context.Context, env places, hosts, certificates int) (e *edge, err error) {
	e = &edge{hosts: hosts, certificates: certificates, name: "bench_" + strings.ToLower(rand.Text()[:8]), key: make([]byte, 32)}
	if e.database, err = pgx.Connect(ctx, env.tcp.String()); err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close(ctx))
		}
	}()
	if err := each(ctx, e.database, `CREATE DATABASE `+e.name); err != nil {
		return e, err
	}
	if e.pool, err = pgxpool.New(ctx, in(env.tcp, env.tcp.User.Username(), e.name)); err != nil {
		return e, fmt.Errorf("pool: %w", err)
	}
	if e.tenants, err = tenant.NewRegistry(memtenant.New(), nil); err != nil {
		return e, fmt.Errorf("registry: %w", err)
	}
	if err := e.tenants.Start(ctx); err != nil {
		return e, fmt.Errorf("registry: %w", err)
	}
	if e.mint, err = certtest.New(); err != nil {
		return e, err
	}
	_, _ = rand.Read(e.key) // it never fails
	if err := e.openCatalog(ctx); err != nil {
		return e, err
	}
	return e, e.openManager(ctx)
}

// openCatalog fills the catalog and starts it.
func (e *edge) openCatalog(ctx context.Context) error {
	open := func() (*domain.Catalog, error) {
		c, err := domain.New(e.pool, e.tenants, &domain.Options{
			Edge: "edge.myapp.com", Base: "myapp.com", Workers: -1, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return nil, err //nolint:wrapcheck // it says whose it is
		}
		return c, c.Open(ctx, nil)
	}
	first, err := open() // makes the tables
	if err != nil {
		return err
	}
	first.Close()
	if err := e.fill(ctx); err != nil {
		return fmt.Errorf("filling: %w", err)
	}
	var s Start
	if e.catalog, s, err = start("hosts", e.hosts, open); err != nil {
		return err
	}
	if n := e.catalog.Hosts(); n != e.hosts {
		return fmt.Errorf("%d hosts are served, not %d", n, e.hosts)
	}
	e.starts = append(e.starts, s)
	return nil
}

// fill stores the hosts, three of each tenant.
func (e *edge) fill(ctx context.Context) error {
	var targets, domains [][]any
	var owner tenant.ID
	for i := range e.hosts {
		if i%3 == 0 {
			owner = tenant.NewID(time.Now())
			targets = append(targets, []any{owner, fmt.Sprint("t", i)})
		}
		domains = append(domains, []any{owner, certtest.Host(i), domain.Active, domain.MethodTXT, "a token", time.Now()})
	}
	for _, table := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"target", []string{"tenant_id", "label"}, targets},
		{"domain", []string{"tenant_id", "host", "state", "method", "token", "claimed_at"}, domains},
	} {
		name := pgx.Identifier{"partywall_domains", table.name}
		if _, err := e.pool.CopyFrom(ctx, name, table.columns, pgx.CopyFromRows(table.rows)); err != nil {
			return fmt.Errorf("%s: %w", table.name, err)
		}
	}
	return nil
}

// openManager stores the certificates and starts the one that shows them.
func (e *edge) openManager(ctx context.Context) error {
	open := func() (*autotls.Manager, error) {
		m, err := autotls.New(e.pool, e.catalog, &autotls.Options{Key: e.key, Agreed: true, NoOnDemand: true, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err //nolint:wrapcheck // as above
		}
		return m, m.Open(ctx)
	}
	first, err := open() // makes the tables
	if err != nil {
		return err
	}
	first.Close()
	sealer, err := autotls.NewSealer(e.key)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	if err := e.mint.Fill(ctx, e.pool, sealer, e.certificates); err != nil {
		return err //nolint:wrapcheck // as above
	}
	var s Start
	if e.manager, s, err = start("certificates", e.certificates, open); err != nil {
		return err
	}
	e.starts = append(e.starts, s)
	return nil
}

// start opens something several times, and leaves the last one open.
func start[T interface{ Close() }](of string, count int, open func() (T, error)) (last T, s Start, err error) {
	var seconds, bytes []float64
	for i := range starts {
		if i > 0 {
			last.Close()
			last = *new(T) //nolint:wastedassign // its memory is let go of, which heap looks at
		}
		before, began := heap(), time.Now()
		if last, err = open(); err != nil {
			return last, s, err
		}
		seconds = append(seconds, time.Since(began).Seconds())
		bytes = append(bytes, (float64(heap())-float64(before))/float64(count))
	}
	return last, Start{Of: of, Count: count, Seconds: quantile(seconds, 0.5), Bytes: quantile(bytes, 0.5)}, nil
}

// close ends the node and drops its database, also when the run was interrupted.
func (e *edge) close(ctx context.Context) error {
	if e.manager != nil {
		e.manager.Close()
	}
	if e.catalog != nil {
		e.catalog.Close()
	}
	if e.tenants != nil {
		e.tenants.Close()
	}
	if e.pool != nil {
		e.pool.Close()
	}
	ctx = context.WithoutCancel(ctx)
	err := each(ctx, e.database, `DROP DATABASE IF EXISTS `+e.name+` WITH (FORCE)`)
	return errors.Join(err, e.database.Close(ctx))
}
