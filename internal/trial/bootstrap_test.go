package trial_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// TestOpenEverywhereAtOnce opens the wall for the first time in many databases
// of a new cluster at once, twice each. Roles belong to the cluster, so all of
// them want to make the same ones; a lock does not reach from one database into
// another. The migrator is a superuser, or what managed servers give instead.
func TestOpenEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{
		"superuser": "SUPERUSER", "managed": "NOSUPERUSER CREATEROLE CREATEDB",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := privateServer(t)
			databases := eightDatabases(t, server, attributes)
			begin := make(chan struct{})
			var opening sync.WaitGroup
			for i := range 2 * len(databases) {
				opening.Go(func() {
					<-begin
					if err := openOne(t, server, databases[i/2]); err != nil {
						t.Error(err)
					}
				})
			}
			close(begin)
			opening.Wait()
		})
	}
}

const migratorRole = "trial_migrator"

// eightDatabases makes the migrator, and databases that it owns.
func eightDatabases(t *testing.T, server *pgserver.Server, attributes string) (names []string) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(t.Context()) }()
	if _, err := admin.Exec(t.Context(), `CREATE ROLE `+migratorRole+` LOGIN `+attributes); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		names = append(names, fmt.Sprintf("at_once_%d", i))
		if _, err := admin.Exec(t.Context(), `CREATE DATABASE `+names[i]+` OWNER `+migratorRole); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// openOne opens the wall in a database, and lets a tenant write a row.
func openOne(t *testing.T, server *pgserver.Server, database string) error {
	t.Helper()
	registry, err := tenant.NewRegistry(memtenant.New(), &tenant.Options{Logger: silent()})
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(server.URL(database))
	if err != nil {
		return err
	}
	as := func(role string) string {
		return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", config.Host, config.Port, role, database)
	}
	db, err := isolation.Open(t.Context(), registry, isolation.Servers{
		"eu-1": {App: as(appRole), Migrator: as(migratorRole)},
	}, &isolation.Options{Logger: silent(), AcquireTimeout: time.Minute, Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
		_, err := conn.Exec(ctx, noteSchema)
		return err
	}})
	if err != nil {
		return err
	}
	defer db.Close()
	who, err := registry.Create(t.Context(), tenant.Spec{
		Slug: "acme", Status: tenant.Active, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared},
	})
	if err != nil {
		return err
	}
	// Both who open a database call their first tenant number 1.
	_, err = db.Exec(tenant.NewContext(t.Context(), who),
		`INSERT INTO note (id, owner, body) VALUES (1, 'acme', 'first') ON CONFLICT DO NOTHING`)
	return err
}
