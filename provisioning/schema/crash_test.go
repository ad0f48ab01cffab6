package schema_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// crashHouse, in the environment, makes a test's process the child that is
// killed.
const crashHouse = "PARTYWALL_TEST_FLEET"

// crashSite is where the child works.
type crashSite struct {
	App      string `json:"app"`
	Migrator string `json:"migrator"`
	Catalog  string `json:"catalog"`
}

const crashPlaces = 60

// slow leaves a line for each time that it runs to the end, and takes so long
// that a kill lands in it.
func slow() fstest.MapFS {
	return shop(map[string]string{"003_slow.sql": `-- +goose Up
ALTER TABLE orders ADD COLUMN note text;
INSERT INTO public.ran SELECT current_schema();
SELECT pg_sleep(0.02);
`})
}

// crashWork applies to the fleet, and tells on standard output of each place.
func crashWork(ctx context.Context, at crashSite) (*schema.Report, error) {
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		return nil, err
	}
	for i := range crashPlaces {
		_, err := tenants.Create(ctx, tenant.Spec{Slug: fmt.Sprintf("shop-%d", i), Status: tenant.Active, Placement: tenant.Placement{
			Server: "eu-1", Strategy: tenant.Schema, Schema: fmt.Sprintf("shop_%d", i),
		}})
		if err != nil {
			return nil, err
		}
	}
	db, err := isolation.Open(ctx, tenants, isolation.Servers{"eu-1": {App: at.App, Migrator: at.Migrator}},
		&isolation.Options{Logger: silent(), AcquireTimeout: time.Minute})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	catalog, err := pgxpool.New(ctx, at.Catalog)
	if err != nil {
		return nil, err
	}
	defer catalog.Close()
	migrations, err := schema.Load(slow(), nil)
	if err != nil {
		return nil, err
	}
	fleet, err := schema.New(catalog, db, tenants, migrations, &schema.FleetOptions{Workers: 2, Logger: silent()})
	if err != nil {
		return nil, err
	}
	fmt.Println("place: begin")
	return fleet.Apply(ctx, &schema.ApplyOptions{Progress: func(r schema.Result) {
		if r.Outcome == schema.Applied { // what the last one did and did not write down is no news
			fmt.Println("place:", r.Place.Schema)
		}
	}})
}

// TestCrashingChild is the child. On its own it is no test.
func TestCrashingChild(t *testing.T) {
	t.Parallel()
	text := os.Getenv(crashHouse)
	if text == "" {
		return
	}
	var at crashSite
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatal(err)
	}
	if _, err := crashWork(t.Context(), at); err != nil {
		t.Fatal(err)
	}
}

// TestKilledTwentyTimes kills the process that migrates twenty times at
// whatever it is about, and lets it go on: no place is done twice or left out.
func TestKilledTwentyTimes(t *testing.T) {
	t.Parallel()
	data, catalog := pgtest.New(t, nil), pgtest.New(t, nil)
	at := crashSite{App: data.As(appRole), Migrator: data.URL, Catalog: catalog.URL}
	conn := data.Conn(t)
	if _, err := conn.Exec(t.Context(), fmt.Sprintf(`CREATE TABLE public.ran (place text);
		DO $$ BEGIN FOR i IN 0..%d LOOP EXECUTE format('CREATE SCHEMA shop_%%s', i); END LOOP; END $$`, crashPlaces-1)); err != nil {
		t.Fatal(err)
	}
	kills := 0
	for kills < 20 && killOne(t, at, rand.IntN(4)) {
		kills++
	}
	t.Logf("%d kills; %d places were done by then", kills, count(t, conn, `SELECT count(*) FROM public.ran`))
	report, err := crashWork(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	if kills < 20 || report.Err() != nil || report.Counts[schema.Current]+report.Counts[schema.Applied] != crashPlaces+1 {
		t.Errorf("%d kills, %v, %v", kills, report, report.Err())
	}
	if n := count(t, conn, `SELECT count(*) FROM public.ran`); n != crashPlaces+1 {
		t.Errorf("it ran %d times in %d places", n, crashPlaces+1)
	}
	if n := count(t, conn, `SELECT count(DISTINCT place) FROM public.ran`); n != crashPlaces+1 {
		t.Errorf("it ran in %d places of %d", n, crashPlaces+1)
	}
	if n := count(t, conn, `SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'goose_db_version'`); n != crashPlaces+1 {
		t.Errorf("%d version tables", n)
	}
}

func count(t *testing.T, conn *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// killOne runs the child and kills it after it has told of some places. It
// reports false when the child came to its end before.
func killOne(t *testing.T, at crashSite, after int) bool {
	t.Helper()
	text, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashingChild$", "-test.count=1")
	child.Env = append(os.Environ(), crashHouse+"="+string(text))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if len(said) > after {
			_ = child.Process.Kill()
		}
	}
	err = child.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && !exit.Exited() {
		return true
	}
	if err != nil {
		t.Fatalf("the child failed by itself: %v\n%v", err, said)
	}
	return false
}

func TestEndedByContext(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 6)
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), &schema.FleetOptions{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	report, err := fleet.Apply(ctx, &schema.ApplyOptions{Progress: func(r schema.Result) {
		if r.Place.Schema == "shop_3" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || report.Counts[schema.Applied] != 4 || report.Counts[schema.Left] != 3 || report.Err() != nil {
		t.Fatal(report, err)
	}
	report = apply(t, fleet, nil)
	if report.Counts[schema.Current] != 4 || report.Counts[schema.Applied] != 3 {
		t.Fatal(report)
	}
}

// TestTwoNodes has two processes' worth of fleets at the same places.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 12)
	h.exec(t, `CREATE TABLE public.ran (place text)`)
	var reports [2]*schema.Report
	var working sync.WaitGroup
	for i := range reports {
		fleet := h.fleet(t, slow(), nil)
		working.Go(func() { reports[i], _ = fleet.Apply(t.Context(), nil) })
	}
	working.Wait()
	applied := 0
	for _, r := range reports {
		t.Log(r)
		applied += r.Counts[schema.Applied]
		if r.Places() != 13 || r.Counts[schema.Current]+r.Counts[schema.Applied] != 13 {
			t.Error(r, r.Err())
		}
	}
	if n := count(t, h.data.Conn(t), `SELECT count(*) FROM public.ran`); applied != 13 || n != 13 {
		t.Errorf("%d applied, and it ran %d times", applied, n)
	}
}

// TestPlaceIsTaken stops a node within a migration, and has another come to the
// same place: it must find the place taken, and that it is done in the end.
func TestPlaceIsTaken(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	migrations, err := schema.Load(shop(map[string]string{"003_wait.sql": "-- +goose Up\nSELECT pg_advisory_xact_lock(77);\nALTER TABLE orders ADD COLUMN note text;\n"}),
		&schema.Options{LockTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	gate, watcher := hold(t, h.data, `SELECT pg_advisory_xact_lock(77)`), h.data.Conn(t)
	open := sync.OnceFunc(func() { _ = gate.Rollback(context.Background()) })
	waiting := func(n int) bool {
		return count(t, watcher, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) >= n
	}
	found := make(chan struct{}, 1000)
	var reports [2]*schema.Report
	var working sync.WaitGroup
	for i := range reports {
		fleet, err := schema.New(h.catalog, h, h.tenants, migrations, &schema.FleetOptions{Backoff: func(int) time.Duration {
			found <- struct{}{}
			return time.Millisecond
		}})
		if err != nil {
			t.Fatal(err)
		}
		working.Go(func() { reports[i], _ = fleet.Apply(t.Context(), nil) })
		for i == 0 && !waiting(1) && t.Context().Err() == nil { // the first is within
			continue
		}
	}
	for taken := false; !taken && t.Context().Err() == nil; {
		select {
		case <-found:
			taken = true
		default:
			if taken = waiting(2); taken {
				t.Error("two nodes are within one place")
			}
		}
	}
	open()
	working.Wait()
	if reports[0].Counts[schema.Applied] != 1 || reports[1].Counts[schema.Current] != 1 || reports[1].Results[0].Attempts != 1 {
		t.Error(reports[0], reports[1])
	}
}
