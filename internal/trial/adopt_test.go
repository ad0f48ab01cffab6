package trial_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// What is there before: tables that the application's own role owns, with keys
// that know nothing of tenants, and a WHERE in every statement. %s is the type
// of the tenant column.
const legacySchema = `
	CREATE TABLE orders (
		id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		tenant_id %[1]s NOT NULL,
		item      text NOT NULL);
	CREATE TABLE order_lines (
		id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		tenant_id %[1]s NOT NULL,
		order_id  bigint NOT NULL REFERENCES orders (id),
		quantity  int NOT NULL);
	CREATE TABLE country (code text PRIMARY KEY, name text NOT NULL);
	INSERT INTO country VALUES ('no', 'Norway'), ('pt', 'Portugal');`

// The steps of docs/adopting.md, in their order.
const (
	adoptLock = `
		BEGIN;
		SET LOCAL lock_timeout = '2s';
		LOCK TABLE orders, order_lines, country IN ACCESS EXCLUSIVE MODE;`

	adoptRoles = `
		CREATE ROLE shop_migrator LOGIN CREATEROLE;
		GRANT legacy_app TO shop_migrator;
		ALTER DATABASE shop OWNER TO shop_migrator;
		ALTER TABLE orders OWNER TO shop_migrator;
		ALTER TABLE order_lines OWNER TO shop_migrator;
		ALTER TABLE country OWNER TO shop_migrator;
		GRANT SELECT, INSERT, UPDATE, DELETE ON orders, order_lines, country TO legacy_app;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO legacy_app;`

	adoptKeep = `
		GRANT CONNECT, TEMPORARY ON DATABASE shop TO legacy_app;
		GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO legacy_app;
		GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) TO legacy_app;`

	adoptKeys = `
		CREATE UNIQUE INDEX CONCURRENTLY orders_tenant_id_id ON orders (tenant_id, id);
		CREATE UNIQUE INDEX CONCURRENTLY order_lines_tenant_id_id ON order_lines (tenant_id, id);`

	adoptReference = `
		ALTER TABLE order_lines ADD CONSTRAINT order_lines_order FOREIGN KEY (tenant_id, order_id)
			REFERENCES orders (tenant_id, id) NOT VALID;`

	adoptValidate = `
		ALTER TABLE order_lines VALIDATE CONSTRAINT order_lines_order;`

	adoptUnreference = `
		ALTER TABLE order_lines DROP CONSTRAINT order_lines_order_id_fkey;`

	adoptProtect = `
		CREATE POLICY legacy ON orders TO legacy_app USING (true) WITH CHECK (true);
		CREATE POLICY legacy ON order_lines TO legacy_app USING (true) WITH CHECK (true);
		SELECT partywall.protect('orders'), partywall.protect('order_lines'), partywall.share('country');
		GRANT SELECT ON country TO legacy_app;`

	adoptEnd = `
		DROP POLICY legacy ON orders;
		DROP POLICY legacy ON order_lines;
		REVOKE ALL ON orders, order_lines, country FROM legacy_app;`
)

// TestAdopt brings a database that is in use behind the wall, by the steps of
// docs/adopting.md, while its application goes on reading and writing. After
// each step that application has seen no error and no row too few; in the end
// the old way in is shut.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"bigint", "uuid"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			a := &adoption{t: t, uuid: key == "uuid"}
			a.before(key)
			legacy := a.legacy()
			a.locked("roles", adoptRoles)
			a.run("what the application keeps", adoptKeep)
			legacy.await()

			a.takeOver()
			var unsafe *isolation.UnsafeError
			if err := a.open(); !errors.As(err, &unsafe) || len(unsafe.Findings) != 2 {
				t.Fatalf("Open = %v, want what is to be done for two tables", err)
			}
			legacy.await()
			a.run("keys", adoptKeys)
			a.locked("reference", adoptReference)
			a.run("validate", adoptValidate)
			a.locked("unreference", adoptUnreference)
			legacy.await()
			a.locked("protect", adoptProtect)
			legacy.await()

			if err := a.open(); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				a.buy()
			}
			legacy.await()
			legacy.stop()
			a.compare()
			a.run("the end", adoptEnd)
			a.shut()
		})
	}
}

// adoption is a shop that is being taken over.
type adoption struct {
	*isolation.DB

	t       *testing.T
	uuid    bool
	at      func(user string) string
	tenants *tenant.Registry
	who     []tenant.Tenant
}

// old are the tenants as the shop knew them.
func (a *adoption) old() []tenant.Spec {
	var specs []tenant.Spec
	for i, slug := range []string{"acme", "globex", "initech"} {
		spec := tenant.Spec{
			Slug: slug, Status: tenant.Active, Number: int64(4711 + 10*i),
			Placement: tenant.Placement{Server: "main", Strategy: tenant.Shared},
		}
		spec.ID = tenant.ID{0: 0x9b, 6: 0x40, 8: 0x80, 15: byte(i + 1)} // a UUID of version 4
		specs = append(specs, spec)
	}
	return specs
}

// key is what the rows of a tenant carry.
func (a *adoption) key(number int64, id tenant.ID) any {
	if a.uuid {
		return id
	}
	return number
}

// before starts a server with the shop on it.
func (a *adoption) before(key string) {
	server := privateServer(a.t)
	config, err := pgx.ParseConfig(server.URL("postgres"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.at = func(user string) string {
		return fmt.Sprintf("host=%s port=%d user=%s dbname=shop sslmode=disable", config.Host, config.Port, user)
	}
	admin, err := pgx.Connect(a.t.Context(), server.URL("postgres"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = admin.Close(a.t.Context()) }()
	for _, sql := range []string{`CREATE ROLE legacy_app LOGIN`, `CREATE DATABASE shop OWNER legacy_app`} {
		if _, err := admin.Exec(a.t.Context(), sql); err != nil {
			a.t.Fatal(err)
		}
	}
	a.runAs("legacy_app", "the shop", fmt.Sprintf(legacySchema, key))
}

// locked runs a step in a transaction that has locked the tables first, all of
// them and in the order in which the application does, and tries again when it
// has to wait for long: the application must not wait for it.
func (a *adoption) locked(step, sql string) {
	a.t.Helper()
	for range 30 {
		conn, err := pgx.Connect(a.t.Context(), a.at("partywall"))
		if err != nil {
			a.t.Fatal(err)
		}
		_, err = conn.Exec(a.t.Context(), adoptLock+sql+"COMMIT")
		_ = conn.Close(a.t.Context())
		if err == nil {
			return
		}
		if !hasCode(err, "55P03") { // lock_not_available
			a.t.Fatalf("%s: %v", step, err)
		}
	}
	a.t.Fatalf("%s: the tables are never free", step)
}

// run runs a step as the superuser, each statement by itself.
func (a *adoption) run(step, sql string) {
	a.t.Helper()
	a.runAs("partywall", step, sql)
}

func (a *adoption) runAs(user, step, sql string) {
	a.t.Helper()
	conn, err := pgx.Connect(a.t.Context(), a.at(user))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = conn.Close(a.t.Context()) }()
	for statement := range strings.SplitSeq(sql, ";\n") {
		if _, err := conn.Exec(a.t.Context(), statement); err != nil && strings.TrimSpace(statement) != "" {
			a.t.Fatalf("%s: %s: %v", step, statement, err)
		}
	}
}

// takeOver tells the catalog of the tenants that there are.
func (a *adoption) takeOver() {
	var err error
	if a.tenants, err = tenant.NewRegistry(memtenant.New(), &tenant.Options{Logger: silent()}); err != nil {
		a.t.Fatal(err)
	}
	if err := a.tenants.Start(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(a.tenants.Close)
	for _, spec := range a.old() {
		who, err := a.tenants.Create(a.t.Context(), spec)
		if err != nil {
			a.t.Fatal(err)
		}
		if who.ID != spec.ID || who.Number != spec.Number {
			a.t.Fatalf("%s was taken over as %d, %s", who.Slug, who.Number, who.ID)
		}
		a.who = append(a.who, who)
	}
}

// open opens the wall as the new application will.
func (a *adoption) open() error {
	db, err := isolation.Open(a.t.Context(), a.tenants, isolation.Servers{
		"main": {App: a.at("shop_app"), Migrator: a.at("shop_migrator")},
	}, &isolation.Options{UUIDKeys: a.uuid, Logger: silent(), AcquireTimeout: time.Minute})
	if err == nil {
		a.DB = db
		a.t.Cleanup(db.Close)
	}
	return err
}

// buy is the new application: the same statements, without the WHERE.
func (a *adoption) buy() {
	a.t.Helper()
	for _, who := range a.who {
		ctx := tenant.NewContext(a.t.Context(), who)
		err := a.Tx(ctx, nil, func(tx pgx.Tx) error {
			var id int64
			if err := tx.QueryRow(ctx, `INSERT INTO orders (item) VALUES ($1) RETURNING id`, who.Slug).Scan(&id); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO order_lines (order_id, quantity) VALUES ($1, 1)`, id)
			return err
		})
		if err != nil {
			a.t.Errorf("%s: %v", who.Slug, err)
		}
		var others int
		err = a.QueryRow(ctx, `SELECT count(*) FROM orders o JOIN order_lines l ON l.order_id = o.id CROSS JOIN country
			WHERE o.item <> $1`, who.Slug).Scan(&others)
		if err != nil || others != 0 {
			a.t.Errorf("%s sees %d orders of others, %v", who.Slug, others, err)
		}
	}
}

// compare holds what each tenant sees against what is there.
func (a *adoption) compare() {
	a.t.Helper()
	admin, err := pgx.Connect(a.t.Context(), a.at("partywall"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = admin.Close(a.t.Context()) }()
	for _, who := range a.who {
		var there, seen int
		err := admin.QueryRow(a.t.Context(), `SELECT count(*) FROM orders WHERE tenant_id = $1`, a.key(who.Number, who.ID)).Scan(&there)
		if err != nil {
			a.t.Fatal(err)
		}
		err = a.QueryRow(tenant.NewContext(a.t.Context(), who), `SELECT count(*) FROM orders`).Scan(&seen)
		if err != nil || seen != there || there == 0 {
			a.t.Errorf("%s sees %d of %d orders, %v", who.Slug, seen, there, err)
		}
	}
}

// shut makes sure that the old way in is no more.
func (a *adoption) shut() {
	a.t.Helper()
	conn, err := pgx.Connect(a.t.Context(), a.at("legacy_app"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = conn.Close(a.t.Context()) }()
	var n int
	if err := conn.QueryRow(a.t.Context(), `SELECT count(*) FROM orders`).Scan(&n); err == nil {
		a.t.Errorf("the old application still sees %d orders", n)
	}
}

// legacyApp is the old application at work.
type legacyApp struct {
	*adoption

	pool  *pgxpool.Pool
	end   context.CancelFunc
	ended sync.WaitGroup
	done  atomic.Int64
}

// legacy starts the old application: reads and writes with a WHERE, a setting
// and an advisory lock, in four workers.
func (a *adoption) legacy() *legacyApp {
	a.t.Helper()
	pool, err := pgxpool.New(a.t.Context(), a.at("legacy_app"))
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(a.t.Context())
	l := &legacyApp{adoption: a, pool: pool, end: cancel}
	for worker := range 4 {
		l.ended.Go(func() {
			for i := worker; ctx.Err() == nil; i++ {
				spec := a.old()[i%3]
				if err := l.visit(a.t.Context(), spec.Slug, a.key(spec.Number, spec.ID)); err != nil {
					a.t.Errorf("the old application: %v", err)
					return
				}
				l.done.Add(1)
			}
		})
	}
	a.t.Cleanup(l.stop)
	return l
}

func (l *legacyApp) visit(ctx context.Context, slug string, key any) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('app.user', $1, true), pg_advisory_xact_lock(7)`, slug); err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRow(ctx, `INSERT INTO orders (tenant_id, item) VALUES ($1, $2) RETURNING id`, key, slug).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO order_lines (tenant_id, order_id, quantity) VALUES ($1, $2, 1)`, key, id); err != nil {
			return err
		}
		var n, countries int
		err := tx.QueryRow(ctx, `SELECT count(*), (SELECT count(*) FROM country) FROM orders WHERE tenant_id = $1 AND id = $2`, key, id).Scan(&n, &countries)
		if err == nil && (n != 1 || countries != 2) {
			err = fmt.Errorf("%s finds %d of its order, and %d countries", slug, n, countries)
		}
		return err
	})
}

// await returns when the application has done some more.
func (l *legacyApp) await() {
	l.t.Helper()
	more := l.done.Load() + 20
	until(l.t, func() bool { return l.done.Load() >= more || l.t.Failed() })
}

func (l *legacyApp) stop() {
	l.end()
	l.ended.Wait()
	l.pool.Close()
}
