package isolation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// A process that makes places for tenants can end at any moment. The tests
// here run it as a child, kill it when the server has said a given number of
// things to it, and then do the same work again: it has to end well.
const (
	crashTask = "PARTYWALL_TEST_CRASH_TASK"
	crashURL  = "PARTYWALL_TEST_CRASH_URL"
)

// crashPlaces are the tenants of the crash tests, the same in every process.
func crashPlaces(database string) []tenant.Tenant {
	places := []tenant.Placement{
		{Strategy: tenant.Shared}, {Strategy: tenant.Schema, Schema: "own"}, {Strategy: tenant.Database, Database: database + "_own"},
	}
	out := make([]tenant.Tenant, len(places))
	for i, p := range places {
		p.Server, p.Epoch = "eu-1", 1
		out[i] = tenant.Tenant{ID: tenant.ID{15: byte(i + 1)}, Number: int64(i + 1), Slug: fmt.Sprint("crash-", i), Status: tenant.Active, Placement: p}
	}
	return out
}

// crashWork is what the child does, and the test after it: Open, and then the
// task for every tenant.
func crashWork(ctx context.Context, url, task string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		return err
	}
	app := fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", config.Host, config.Port, appRole, config.Database)
	db, err := isolation.Open(ctx, tenants, isolation.Servers{"eu-1": {App: app, Migrator: url}},
		&isolation.Options{Migrate: migrate, Logger: slog.New(slog.DiscardHandler), AcquireTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer db.Close()
	for _, who := range crashPlaces(config.Database) {
		do := db.Provision
		if task == "deprovision" {
			do = db.Deprovision
		}
		if err := do(ctx, who); err != nil {
			return err
		}
	}
	return nil
}

// TestCrashingChild is the child. On its own it is no test.
func TestCrashingChild(t *testing.T) {
	t.Parallel()
	task, url := os.Getenv(crashTask), os.Getenv(crashURL)
	if task == "" {
		return
	}
	if err := crashWork(t.Context(), url, task); err != nil {
		t.Error(err)
	}
}

// crash runs the child and kills it, hard, at the answer of the server's with
// the number given, counted by the proxy that its migrator talks through. It
// reports whether the child got to its end before.
func crash(t *testing.T, data *pgtest.Database, task string, at int64) (done bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int64
	p := newProxy(t, data.URL, func(*proxy) {
		if seen.Add(1) == at {
			cancel() // SIGKILL: nothing of the child runs after it
		}
	})
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashingChild$", "-test.count=1")
	child.Env = append(os.Environ(), crashTask+"="+task, crashURL+"="+p.url)
	out, err := child.CombinedOutput()
	if ctx.Err() == nil && err != nil {
		t.Fatalf("%s, killed at %d: the child failed by itself: %v\n%s", task, at, err, out)
	}
	return ctx.Err() == nil
}

// TestKilledInTheMiddle kills the child at every so many messages, on one
// database after another without repair, and finishes its work.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	data := pgtest.New(t, nil)
	own := data.Name + "_own"
	t.Cleanup(func() { // after a failure; a success has dropped it
		ctx := context.WithoutCancel(t.Context())
		admin, err := pgx.Connect(ctx, data.URL)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = admin.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{own}.Sanitize()+` WITH (FORCE)`)
		if err := errors.Join(err, admin.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	for _, task := range []string{"provision", "deprovision"} {
		kills := 0
		for at := int64(1); !crash(t, data, task, at); at += max(1, at/4) {
			kills++
		}
		t.Logf("%s: killed %d times", task, kills)
		if kills < 10 {
			t.Errorf("%s: killed only %d times", task, kills)
		}
		if err := crashWork(t.Context(), data.URL, task); err != nil {
			t.Errorf("%s: once more after its end: %v", task, err)
		}
	}
	var left int
	err := data.Conn(t).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'own') + (SELECT count(*) FROM pg_database WHERE datname = $1)
		+ (SELECT count(*) FROM partywall.fence WHERE state <> 'f' OR tenant_id > 2) + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`, own).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d things are left, %v", left, err)
	}
}

// TestMigratorCutOff ends the migrator's session, again and again, while
// tenants are provisioned: each time the caller gets an error, and in the end
// the work is done.
func TestMigratorCutOff(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for at := int64(1); ; at += 1 + at/4 {
		var seen atomic.Int64
		p := newProxy(t, h.data.URL, func(p *proxy) {
			if seen.Add(1) == at {
				p.cut()
			}
		})
		servers := isolation.Servers{"eu-1": {App: h.data.As(appRole), Migrator: p.url}}
		db, err := isolation.Open(t.Context(), h.tenants, servers, h.opts)
		if err == nil {
			err = db.Provision(t.Context(), h.who["initech"])
			db.Close()
		}
		if err == nil && seen.Load() < at {
			break // nothing left to cut
		}
		var pg *pgconn.PgError
		if err != nil && errors.As(err, &pg) && !strings.HasPrefix(pg.Code, "57") {
			t.Fatalf("cut at %d: %v", at, err)
		}
	}
	h.clean(t)
}
