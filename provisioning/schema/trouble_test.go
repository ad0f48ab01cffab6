package schema_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

// TestGoFunctions run in the place, with and without a transaction, on the one
// connection.
func TestGoFunctions(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 2)
	type row struct {
		path, text string
		number     int
		at         time.Time
		yes        bool
	}
	inTx := func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `ALTER TABLE orders ADD COLUMN price numeric DEFAULT 1`); err != nil {
			return err
		}
		var r row
		err := tx.QueryRowContext(ctx, `SELECT current_schema(), $1::text, $2::int, now(), true`, "x", 7).Scan(&r.path, &r.text, &r.number, &r.at, &r.yes)
		if err == nil && (r.text != "x" || r.number != 7 || r.at.IsZero() || !r.yes) {
			err = errors.New("what was read is not what was sent")
		}
		return err
	}
	bare := func(ctx context.Context, db *sql.DB) error {
		stmt, err := db.PrepareContext(ctx, `SELECT count(*) FROM orders WHERE price > $1`)
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }()
		var n int
		if err := stmt.QueryRowContext(ctx, 0).Scan(&n); err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `CREATE INDEX CONCURRENTLY by_price ON orders (price)`)
		return err
	}
	migrations, err := schema.Load(shop(nil), &schema.Options{Go: []*goose.Migration{
		goose.NewGoMigration(3, &goose.GoFunc{RunTx: inTx}, nil), goose.NewGoMigration(4, &goose.GoFunc{RunDB: bare}, nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := schema.New(h.catalog, h, h.tenants, migrations, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report := apply(t, fleet, nil); report.Counts[schema.Applied] != 3 || report.Err() != nil {
		t.Fatal(report.Err())
	}
	if n := count(t, h.data.Conn(t), `SELECT count(*) FROM pg_indexes WHERE indexname = 'by_price' AND schemaname IN ('public', 'shop_1', 'shop_2')`); n != 3 {
		t.Errorf("%d indexes", n)
	}
}

// TestBrokenInTheMiddle names the line, keeps what ran before, and nothing of
// the file.
func TestBrokenInTheMiddle(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 1)
	broken := "-- +goose Up\r\n\r\nALTER TABLE orders ADD COLUMN a text;\r\n-- a comment\r\n" +
		"CREATE TABLE x (\r\n\ttenant_id bigint,\r\n\tid bigint REFERENCES nowhere);\r\n"
	late := "-- +goose Up\n\n-- +goose StatementBegin\nSELECT 1;\n\nSELECT 'ä', nothing FROM orders;\n-- +goose StatementEnd\n"
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note, "004_broken.sql": broken}), nil)
	report := apply(t, fleet, nil)
	for _, result := range report.Results {
		e, ok := errors.AsType[*schema.PlaceError](result.Err)
		switch {
		case result.Outcome == schema.Held && result.Place.Strategy == tenant.Schema:
		case !ok, e.File != "004_broken.sql", e.Line != 5, e.Code != "42P01", !strings.HasPrefix(e.SQL, "CREATE TABLE x"), result.Version != 3, !slices.Equal(result.Ran, []int64{3}):
			t.Errorf("%+v", result)
		}
	}
	if report.Counts[schema.Failed] != 1 || report.Counts[schema.Held] != 1 {
		t.Fatal(report)
	}
	if n := count(t, h.data.Conn(t), `SELECT count(*) FROM pg_attribute WHERE attname = 'a'`); n != 0 {
		t.Error("part of a broken file stays")
	}
	fleet = h.fleet(t, shop(map[string]string{"003_note.sql": note, "004_late.sql": late}), nil)
	report = apply(t, fleet, nil) // what never ran may be put right
	if e, ok := errors.AsType[*schema.PlaceError](report.Err()); !ok || e.Line != 6 || e.Code != "42703" {
		t.Errorf("%+v", e)
	}
}

// TestNoRowIsQuoted: PostgreSQL's words may have a row in them.
func TestNoRowIsQuoted(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.exec(t, `ALTER TABLE orders NO FORCE ROW LEVEL SECURITY; INSERT INTO orders VALUES (1, 1, 'hush'), (1, 2, 'hush')`)
	for name, statement := range map[string]string{
		"cast": `ALTER TABLE orders ALTER item TYPE int USING item::int;`, "unique": `CREATE UNIQUE INDEX ON orders (item);`,
		"check": `ALTER TABLE orders ADD CHECK (item = 'x');`,
	} {
		report, err := h.fleet(t, shop(map[string]string{"003_" + name + ".sql": "-- +goose Up\n" + statement}), nil).
			Apply(t.Context(), nil)
		if err != nil || report.Counts[schema.Failed] != 1 || strings.Contains(report.Err().Error(), "hush") {
			t.Errorf("%s: %v %v", name, err, report.Err())
		}
	}
	if n := count(t, h.data.Conn(t), `SELECT 1`); n != 1 {
		t.Error(n)
	}
	var told int
	if err := h.catalog.QueryRow(t.Context(), `SELECT count(*) FROM partywall_schema.place p WHERE p::text LIKE '%hush%'`).Scan(&told); err != nil || told != 0 {
		t.Error(told, err)
	}
}

// TestSecretsOfTheEnvironment: what goose puts into a statement is not shown.
func TestSecretsOfTheEnvironment(t *testing.T) {
	t.Setenv("PARTYWALL_TEST_HUSH", "hush")
	h := build(t, shop(nil))
	report := apply(t, h.fleet(t, shop(map[string]string{
		"003_env.sql": "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${PARTYWALL_TEST_HUSH}' FROM nowhere;\n-- +goose ENVSUB OFF\n",
	}), nil), nil)
	e, ok := errors.AsType[*schema.PlaceError](report.Err())
	if !ok || e.File != "003_env.sql" || e.SQL != "" || strings.Contains(e.Error(), "hush") {
		t.Errorf("%+v", e)
	}
}

// TestOutOfOrder: a migration that came late is told of, and runs if it may.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	h := build(t, shop(map[string]string{"005_note.sql": note}))
	h.settle(t, 1)
	late := shop(map[string]string{"005_note.sql": note, "003_late.sql": "-- +goose Up\nALTER TABLE orders ADD COLUMN late text;\n"})
	report := apply(t, h.fleet(t, late, nil), nil)
	e, ok := errors.AsType[*schema.OrderError](report.Err())
	if !ok || !slices.Equal(e.Late, []int64{3}) || e.Newest != 5 {
		t.Fatal(report, report.Err())
	}
	migrations, err := schema.Load(late, &schema.Options{OutOfOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := schema.New(h.catalog, h, h.tenants, migrations, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report := apply(t, fleet, nil); report.Counts[schema.Applied] != 2 {
		t.Fatal(report, report.Err())
	}
}

// TestChanged: what ran somewhere must not be another elsewhere.
func TestChanged(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	apply(t, h.fleet(t, shop(map[string]string{"003_note.sql": note}), nil), nil)
	other := h.fleet(t, shop(map[string]string{"003_note.sql": strings.Replace(note, "text", "varchar", 1)}), nil)
	_, err := other.Apply(t.Context(), nil)
	if e, ok := errors.AsType[*schema.ChangedError](err); !ok || !slices.Equal(e.Files, []string{"003_note.sql"}) {
		t.Fatal(err)
	}
	if _, err := other.Plan(t.Context(), nil); err == nil {
		t.Error("the dry run says nothing")
	}
	if report := apply(t, other, &schema.ApplyOptions{AcceptChanges: true}); report.Counts[schema.Current] != 1 {
		t.Error(report)
	}
	apply(t, other, nil)
}

// TestLostConnections: a place whose connection dies is gone to again on another
// one.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 3)
	h.exec(t, `CREATE SEQUENCE public.bombs`)
	files := shop(map[string]string{"003_note.sql": note + "SELECT pg_terminate_backend(pg_backend_pid()) WHERE nextval('public.bombs') <= 3;\n"})
	fleet := h.fleet(t, files, &schema.FleetOptions{Backoff: func(int) time.Duration { return time.Millisecond }})
	report := apply(t, fleet, nil)
	attempts := 0
	for _, result := range report.Results {
		attempts += result.Attempts
	}
	if report.Counts[schema.Applied] != 4 || attempts != 4+3 {
		t.Fatal(report, report.Err(), attempts)
	}
}

// TestLockedTable: a table that somebody holds is waited for a moment only, and
// gone to again, while the others are done.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 3)
	migrations, err := schema.Load(shop(map[string]string{"003_note.sql": note}), &schema.Options{LockTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tx := hold(t, h.data, `LOCK TABLE shop_2.orders`)
	var freed bool
	fleet, err := schema.New(h.catalog, h, h.tenants, migrations, &schema.FleetOptions{Workers: 1, Attempts: 1000, Backoff: func(attempt int) time.Duration {
		if attempt == 4 && !freed { // after three in vain
			freed = true
			_ = tx.Rollback(context.Background())
		}
		return time.Millisecond
	}})
	if err != nil {
		t.Fatal(err)
	}
	report := apply(t, fleet, nil)
	last := report.Results[len(report.Results)-1]
	if report.Counts[schema.Applied] != 4 || last.Place.Schema != "shop_2" || last.Attempts != 4 {
		t.Fatalf("%v %+v", report, last)
	}
}

// TestLockedForGood gives up in time, and does the place alone the next time.
func TestLockedForGood(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 3)
	migrations, err := schema.Load(shop(map[string]string{"003_note.sql": note}), &schema.Options{LockTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tx := hold(t, h.data, `LOCK TABLE shop_2.orders`)
	fleet, err := schema.New(h.catalog, h, h.tenants, migrations, &schema.FleetOptions{Attempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	report := apply(t, fleet, nil)
	e, ok := errors.AsType[*schema.PlaceError](report.Err())
	if !ok || report.Counts[schema.Applied] != 3 || e.Attempts != 3 || e.Code != "55P03" || e.File != "003_note.sql" || !schema.Transient(e) {
		t.Fatalf("%v %+v", report, e)
	}
	_ = tx.Rollback(t.Context())
	if report := apply(t, fleet, nil); report.Counts[schema.Applied] != 1 || len(report.Results) != 1 {
		t.Fatal(report)
	}
}

func hold(t *testing.T, data *pgtest.Database, sql string) pgx.Tx {
	t.Helper()
	tx, err := data.Conn(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	return tx
}

// TestLeftovers: what a migration sets in its session does not come along to the
// next place.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 4)
	fleet := h.fleet(t, shop(map[string]string{"003_set.sql": `-- +goose Up
CREATE TEMP TABLE mine (n int);
ALTER TABLE orders ADD COLUMN note text;
SET SESSION AUTHORIZATION partywall_app;
`}), &schema.FleetOptions{Workers: 1})
	// The last statement ends the migration with a role that may not write the
	// version: the place fails, and whoever comes next is not that role.
	report := apply(t, fleet, nil)
	for _, result := range report.Failed() {
		if e, ok := errors.AsType[*schema.PlaceError](result.Err); !ok || e.Code != "42501" {
			t.Errorf("%v", result.Err)
		}
	}
	if report.Counts[schema.Failed] != 1 || report.Counts[schema.Held] != 4 {
		t.Fatal(report)
	}
	fleet = h.fleet(t, shop(map[string]string{"003_set.sql": `-- +goose Up
CREATE TEMP TABLE mine (n int);
ALTER TABLE orders ADD COLUMN note text;
SET search_path = public;
SET default_transaction_read_only = on;
SET ROLE partywall_system;
RESET ROLE;
`, "004_more.sql": "-- +goose Up\nCREATE TEMP TABLE mine (n int);\nALTER TABLE orders ADD COLUMN more text;\n"}), &schema.FleetOptions{Workers: 1})
	if report = apply(t, fleet, nil); report.Counts[schema.Applied] != 5 {
		t.Fatal(report, report.Err())
	}
	for _, result := range report.Results {
		if result.Attempts != 1 {
			t.Errorf("%+v", result)
		}
	}
	if n := count(t, h.data.Conn(t), `SELECT count(*) FROM pg_attribute WHERE attname IN ('note', 'more')`); n != 10 {
		t.Errorf("%d columns", n)
	}
}

// TestConcurrently: an index that is built beside the writers waits for old
// transactions, however long they are, because nobody waits behind it.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	migrations, err := schema.Load(shop(map[string]string{
		"003_index.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nDROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON orders (item);\n",
	}), &schema.Options{LockTimeout: 20 * time.Millisecond})
	if err != nil || len(migrations.Lint()) != 0 {
		t.Fatal(err, migrations.Lint())
	}
	fleet, err := schema.New(h.catalog, h, h.tenants, migrations, nil)
	if err != nil {
		t.Fatal(err)
	}
	tx := hold(t, h.data, `LOCK TABLE orders IN ROW EXCLUSIVE MODE`)
	watcher := h.data.Conn(t)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { // lets go when the build has waited for longer than others may
		for waits := 0; waits == 0 && ctx.Err() == nil; {
			_ = watcher.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > '60 ms'`).Scan(&waits)
		}
		_ = tx.Rollback(context.Background())
	})
	report := apply(t, fleet, nil)
	stop()
	watching.Wait()
	if report.Counts[schema.Applied] != 1 || report.Results[0].Attempts != 1 {
		t.Fatal(report, report.Err())
	}
}

// TestConcurrentlyTwice has two processes open the same database, whose migration
// waits for all transactions that are older: also for that of whoever waits for
// the lock, if there is one.
func TestConcurrentlyTwice(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	migrate := load(t, shop(map[string]string{
		"003_index.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nDROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON orders (item);\n",
	})).Migrate
	tx, watcher := hold(t, h.data, `LOCK TABLE orders IN ROW EXCLUSIVE MODE`), h.data.Conn(t)
	open := func() {
		db, err := isolation.Open(t.Context(), h.tenants, isolation.Servers{"eu-1": {App: h.data.As(appRole), Migrator: h.data.URL}},
			&isolation.Options{Migrate: migrate, Logger: silent(), AcquireTimeout: time.Minute})
		if err != nil {
			t.Error(err)
			return
		}
		db.Close()
	}
	until := func(what string) {
		for n := 0; n == 0 && t.Context().Err() == nil; {
			n = count(t, watcher, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND `+what)
		}
	}
	var opening sync.WaitGroup
	opening.Go(open)
	until(`query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'`)
	opening.Go(open)
	until(`query LIKE '%advisory_lock($1)' AND pid NOT IN (SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted)`)
	_ = tx.Rollback(t.Context())
	opening.Wait()
	if n := count(t, watcher, `SELECT count(*) FROM pg_index WHERE indexrelid = 'i'::regclass AND indisvalid`); n != 1 {
		t.Error("the index is not valid")
	}
}

// TestPanic: a Go function that panics is a place that failed.
func TestPanic(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	migrations, err := schema.Load(shop(nil), &schema.Options{Go: []*goose.Migration{
		goose.NewGoMigration(3, &goose.GoFunc{RunTx: func(context.Context, *sql.Tx) error { panic("no") }}, nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := schema.New(h.catalog, h, h.tenants, migrations, nil)
	if err != nil {
		t.Fatal(err)
	}
	report := apply(t, fleet, nil)
	if e, ok := errors.AsType[*schema.PlaceError](report.Err()); !ok || e.Version != 3 || e.Err.Error() != "panic: no" {
		t.Errorf("%v", report.Err())
	}
}

func TestStopAfter(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 6)
	h.exec(t, `DO $$ BEGIN FOR i IN 1..6 LOOP EXECUTE format('ALTER TABLE shop_%s.orders ADD COLUMN note int', i); END LOOP; END $$`)
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), &schema.FleetOptions{Workers: 1, StopAfter: 2})
	report, err := fleet.Apply(t.Context(), nil)
	if !errors.Is(err, schema.ErrStopped) || report.Counts[schema.Failed] != 2 || report.Counts[schema.Left] != 4 {
		t.Fatal(report, err)
	}
}

// TestNowhere: places that are not made, on servers that nobody knows, or on one
// that does not answer, are told apart.
func TestNowhere(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 1)
	h.add(t, tenant.Placement{Strategy: tenant.Schema, Schema: "not_made"})
	h.add(t, tenant.Placement{Strategy: tenant.Database, Database: "fleet_not_made"})
	who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: "far", Placement: tenant.Placement{Server: "us-1", Strategy: tenant.Shared}, Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), nil)
	plan, err := fleet.Plan(t.Context(), nil)
	if err != nil || len(plan) != 3 {
		t.Fatal(plan, err)
	}
	report := apply(t, fleet, nil)
	if report.Counts[schema.Applied] != 2 || report.Counts[schema.Absent] != 2 || report.Counts[schema.Failed] != 1 || report.Failed()[0].Place.Server != who.Placement.Server {
		t.Fatal(report, report.Err())
	}
}

// silentServer is a house whose server does not answer.
type silentServer struct {
	*house

	dials *atomic.Int32
}

func (s silentServer) AtPlace(ctx context.Context, _ isolation.Target, _ func(*pgx.Conn) error) error {
	s.dials.Add(1)
	_, err := pgx.Connect(ctx, "postgres://127.0.0.1:1/nowhere?sslmode=disable")
	return err
}

// TestServerDown: nobody waits for a server that does not answer, once for each
// of its places.
func TestServerDown(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	for i := range 40 {
		h.add(t, tenant.Placement{Strategy: tenant.Database, Database: fmt.Sprint("down_", i)})
	}
	down := silentServer{h, &atomic.Int32{}}
	opts := &schema.FleetOptions{Workers: 2, Attempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }}
	fleet, err := schema.New(h.catalog, down, h.tenants, load(t, shop(nil)), opts)
	if err != nil {
		t.Fatal(err)
	}
	report := apply(t, fleet, nil)
	// The shared tables are tried three times, and then six connections are enough.
	if n := down.dials.Load(); report.Counts[schema.Failed] != 41 || n > 3+6+2 {
		t.Fatal(report, n)
	}
	if _, err := fleet.Plan(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if report, err := fleet.Drift(t.Context(), tenant.Query{}); err == nil || report.Places != 0 {
		t.Error(report, err)
	}
	// It comes back.
	if report := apply(t, h.fleet(t, shop(nil), nil), nil); report.Counts[schema.Failed] != 0 {
		t.Fatal(report)
	}
}

// TestForget: what is no tenant's place any more is forgotten, unless it may be
// another process's.
func TestForget(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 1)
	fleet := h.fleet(t, shop(nil), nil)
	apply(t, fleet, nil)
	_, err := h.catalog.Exec(t.Context(), `INSERT INTO partywall_schema.place
		SELECT s, database, 'gone', strategy, version, release, fingerprint, attempts, failed_version, file, line, statement, code, error
		FROM partywall_schema.place, unnest(ARRAY['eu-1', 'us-1']) AS s WHERE schema = 'shop_1'`)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, fleet, &schema.ApplyOptions{Query: tenant.Query{SlugPrefix: "shop"}}) // which says nothing of others
	left := func() (n int) {
		if err := h.catalog.QueryRow(t.Context(), `SELECT count(*) FROM partywall_schema.place WHERE schema = 'gone'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := left(); n != 2 {
		t.Error(n)
	}
	apply(t, fleet, nil)
	if n := left(); n != 1 {
		t.Error(n)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 2)
	h.exec(t, `CREATE SCHEMA fresh`)
	h.add(t, tenant.Placement{Strategy: tenant.Schema, Schema: "fresh"})
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), nil)
	plan, err := fleet.Plan(t.Context(), nil)
	if err != nil || len(plan) != 4 || plan[0].Place.Strategy != tenant.Shared {
		t.Fatal(plan, err)
	}
	for _, p := range plan {
		want := 1
		if p.Place.Schema == "fresh" {
			want = 3
		}
		if len(p.Runs) != want || p.Runs[want-1].File != "003_note.sql" || p.Err != nil {
			t.Errorf("%+v", p)
		}
	}
	if n := count(t, h.data.Conn(t), `SELECT count(*) FROM pg_class WHERE relnamespace = 'fresh'::regnamespace`); n != 0 {
		t.Error("the dry run has made something")
	}
	apply(t, fleet, nil)
	if plan, err := fleet.Plan(t.Context(), nil); err != nil || len(plan) != 0 {
		t.Error(plan, err)
	}
}

// TestWaves applies to some tenants first.
func TestWaves(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 3)
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), nil)
	report := apply(t, fleet, &schema.ApplyOptions{Query: tenant.Query{SlugPrefix: "shop-2"}})
	if report.Counts[schema.Applied] != 2 || report.Places() != 2 { // it, and the shared tables that it sees
		t.Fatal(report)
	}
	if report = apply(t, fleet, nil); report.Counts[schema.Applied] != 2 || report.Counts[schema.Current] != 2 {
		t.Fatal(report)
	}
}
