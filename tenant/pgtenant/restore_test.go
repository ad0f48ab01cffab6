package pgtenant_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// The table is dropped and restored from a dump, in the same database of the
// same cluster. Its rows bear transactions that were seen long ago.
func TestRestoredInPlace(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	c := open(t, pool, &tenant.Options{PollInterval: 20 * time.Millisecond})
	kept := mustCreate(t, c.Writer, "kept")
	if _, err := pool.Exec(t.Context(), `CREATE TABLE dump AS TABLE partywall_catalog.tenant`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Activate(t.Context(), kept.ID); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, c.Writer, "lost")
	_, err := pool.Exec(t.Context(), `
		ALTER TABLE partywall_catalog.tenant RENAME TO gone;
		CREATE TABLE partywall_catalog.tenant (LIKE partywall_catalog.gone INCLUDING ALL);
		INSERT INTO partywall_catalog.tenant OVERRIDING SYSTEM VALUE TABLE dump;
		DROP TABLE partywall_catalog.gone`)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the restored catalog is what is known", func() bool {
		_, err := c.Lookup(t.Context(), tenant.BySlug("lost"))
		got, err2 := c.Lookup(t.Context(), tenant.ByID(kept.ID))
		return errors.Is(err, tenant.ErrNotFound) && err2 == nil && got.Version == 1
	})
}

// The server's files are replaced by a copy of earlier, as from a snapshot of
// its disk: the cluster, its timeline and the database are the same, and soon
// it has given out more transactions than were ever seen.
func TestRestoredFiles(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// A pool per life of the server, so that no dead connection is met.
	life := func(use func(pool *pgxpool.Pool)) {
		t.Helper()
		pool, err := pgxpool.New(t.Context(), server.URL("postgres"))
		do(err)
		defer pool.Close()
		use(pool)
	}
	data, aside := server.DataDir(), server.DataDir()+"-aside"
	copied := func(from, to string) {
		t.Helper()
		do(exec.CommandContext(t.Context(), "cp", "-a", from, to).Run()) // keeps the owner, as os.CopyFS does not
	}

	life(func(pool *pgxpool.Pool) {
		c, err := pgtenant.Open(t.Context(), pool, &pgtenant.Options{Registry: &tenant.Options{Logger: quiet()}})
		do(err)
		mustCreate(t, c.Writer, "kept")
		c.Close()
	})
	do(server.StopImmediate(t.Context()))
	copied(data, aside)
	do(server.Start(t.Context()))
	var mark tenant.Mark
	life(func(pool *pgxpool.Pool) {
		s := pgtenant.NewHeld(t, pool)
		_, err := s.Create(t.Context(), tenant.Tenant{
			ID: tenant.NewID(now()), Slug: "lost", Status: tenant.Active, Placement: tenant.Placement{Epoch: 1},
		})
		do(err)
		_, mark = count(t, s, "")
		if n, _ := count(t, s, mark); n != 0 {
			t.Errorf("%d changes without a change", n)
		}
	})
	do(server.StopImmediate(t.Context()))
	do(os.RemoveAll(data))
	copied(aside, data)
	do(server.Start(t.Context()))
	life(func(pool *pgxpool.Pool) {
		for range 20 {
			_, err := pool.Exec(t.Context(), `SELECT pg_current_xact_id()`)
			do(err)
		}
		_, err := pgtenant.NewHeld(t, pool).Changes(t.Context(), mark, func(tenant.Tenant) error { return nil })
		if !errors.Is(err, tenant.ErrRewound) {
			t.Errorf("a mark of what is lost: %v", err)
		}
	})
}
