package trial_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// scale is a number for `make test`, and one for `make soak`.
func scale(sample, full int) int {
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		return full
	}
	return sample
}

// town is many tenants of one strategy on one server.
type town struct {
	*isolation.DB

	data *pgtest.Database
	role string
	who  []tenant.Tenant
}

// settle builds a town of so many tenants.
func settle(t *testing.T, many int, strategy tenant.Strategy, server isolation.Server, opts isolation.Options) *town {
	t.Helper()
	b := &town{data: pgtest.New(t, nil), role: pgtest.Role(t, "town", "LOGIN")}
	registry, err := tenant.NewRegistry(memtenant.New(), &tenant.Options{Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	server.App, server.Migrator = b.data.As(b.role), b.data.URL
	opts.Logger, opts.AcquireTimeout = silent(), time.Minute
	opts.Migrate = func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
		_, err := conn.Exec(ctx, noteSchema)
		return err
	}
	if b.DB, err = isolation.Open(t.Context(), registry, isolation.Servers{"eu-1": server}, &opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.who = make([]tenant.Tenant, many)
	began := time.Now()
	var building sync.WaitGroup
	turns := make(chan struct{}, 4)
	for i := range b.who {
		p := tenant.Placement{Server: "eu-1", Strategy: strategy}
		switch strategy {
		case tenant.Database:
			p.Database = fmt.Sprintf("%s_%d", b.data.Name, i)
		case tenant.Schema:
			p.Schema = fmt.Sprintf("tenant_%d", i)
		}
		who, err := registry.Create(t.Context(), tenant.Spec{Slug: fmt.Sprint("tenant-", i), Placement: p, Status: tenant.Active})
		if err != nil {
			t.Fatal(err)
		}
		b.who[i] = who
		building.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if err := b.Provision(t.Context(), who); err != nil {
				t.Error(err)
			}
		})
	}
	building.Wait()
	t.Logf("%d places made in %s", many, time.Since(began).Round(time.Millisecond))
	if strategy == tenant.Database {
		t.Cleanup(func() { b.leave(context.WithoutCancel(t.Context()), t) })
	}
	if t.Failed() {
		t.FailNow()
	}
	return b
}

// leave drops the databases.
func (b *town) leave(ctx context.Context, t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(ctx, b.data.URL)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, who := range b.who {
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{who.Placement.Database}.Sanitize()+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	}
}

// work has workers write and read for tenants at random, so many times in all,
// and returns the longest that one had to wait.
func (b *town) work(t *testing.T, workers, times int, draw func(*rand.Rand) int) (slowest time.Duration) {
	t.Helper()
	var working sync.WaitGroup
	var longest, next atomic.Int64
	for w := range workers {
		working.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for range times / workers {
				who := b.who[draw(r)]
				ctx := tenant.NewContext(t.Context(), who)
				began := time.Now()
				var owner string
				err := b.QueryRow(ctx, `INSERT INTO note (id, owner, body) VALUES ($1, $2, 'town') RETURNING (SELECT min(owner) FROM note)`, next.Add(1), who.Slug).Scan(new(any))
				if err == nil {
					err = b.QueryRow(ctx, `SELECT max(owner) FROM note`).Scan(&owner)
				}
				if err != nil || owner != who.Slug {
					t.Errorf("%s reads %q, %v", who.Slug, owner, err)
					return
				}
				longest.Store(max(longest.Load(), int64(time.Since(began))))
			}
		})
	}
	working.Wait()
	return time.Duration(longest.Load())
}

// watch looks, until done is closed, at how many connections the town has.
func (b *town) watch(t *testing.T, done <-chan struct{}) (most int) {
	t.Helper()
	admin := b.data.Conn(t)
	for {
		var now int
		err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND application_name <> 'partywall listener'`, b.role).Scan(&now)
		if err != nil {
			t.Error(err)
			return most
		}
		most = max(most, now)
		select {
		case <-done:
			return most
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestSoakManyDatabases serves many databases with few connections: idle ones
// make room for others, and nobody who is at work loses one.
func TestSoakManyDatabases(t *testing.T) {
	t.Parallel()
	many, budget := scale(12, 500), scale(4, 50)
	b := settle(t, many, tenant.Database, isolation.Server{MaxConns: budget}, isolation.Options{})
	done, most := make(chan struct{}), make(chan int)
	go func() { most <- b.watch(t, done) }()
	slowest := b.work(t, 16, scale(250, 10_000), func(r *rand.Rand) int { return r.IntN(many) })
	close(done)
	stats := b.Stats()["eu-1"]
	if got := <-most; got > budget+2 || stats.Open > budget { // two look at databases that are new
		t.Errorf("%d connections at once, %d open, with a budget of %d", got, stats.Open, budget)
	}
	if stats.Evictions == 0 {
		t.Error("no connection has made room for another")
	}
	t.Logf("%d databases, budget %d: the slowest took %s; %+v", many, budget, slowest, stats)
}

// TestSoakManySchemas serves many schemas through one pool. PostgreSQL never
// forgets a table that a session has seen, so sessions must end in time.
func TestSoakManySchemas(t *testing.T) {
	t.Parallel()
	many := scale(40, 10_000)
	most, times := scale(15, 1000), scale(800, 100_000)
	b := settle(t, many, tenant.Schema, isolation.Server{MaxConns: 4}, isolation.Options{Schemas: most})
	slowest := b.work(t, 8, times, func(r *rand.Rand) int { return r.IntN(many) })
	stats, largest := b.Stats()["eu-1"], slices.Max(b.memory(t))
	// Among a few schemas a session goes back to some that it has been in.
	if least := stats.Switches / uint64(most) / 3; stats.Dials < least {
		t.Errorf("%d connections for %d switches, want %d or more", stats.Dials, stats.Switches, least)
	}
	if largest > 60 {
		t.Errorf("a session holds %.1f MB", largest)
	}
	t.Logf("%d schemas: the slowest took %s; the largest session holds %.1f MB; %+v", many, slowest, largest, stats)
}

// memory is how much each of the town's backends holds, in MB.
func (b *town) memory(t *testing.T) (all []float64) {
	t.Helper()
	rows, err := b.data.Conn(t).Query(t.Context(), `SELECT pid FROM pg_stat_activity WHERE usename = $1 AND application_name <> 'partywall listener'`, b.role)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var kB int
			if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kB); n == 1 {
				all = append(all, float64(kB)/1024)
			}
		}
	}
	return all
}
