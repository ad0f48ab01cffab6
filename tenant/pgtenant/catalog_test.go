package pgtenant_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

func open(t *testing.T, pool *pgxpool.Pool, registry *tenant.Options) *pgtenant.Catalog {
	t.Helper()
	if registry == nil {
		registry = &tenant.Options{}
	}
	registry.Logger = quiet()
	c, err := pgtenant.Open(t.Context(), pool, &pgtenant.Options{Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustCreate(t *testing.T, w *tenant.Writer, slug string) tenant.Tenant {
	t.Helper()
	made, err := w.Create(t.Context(), tenant.Spec{Slug: slug})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Several nodes open an empty database at once: one of them makes the tables,
// and all have the same keys.
func TestOpenRace(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	var wg sync.WaitGroup
	nodes, errs := make([]*pgtenant.Catalog, 5), make([]error, 5)
	for i := range nodes {
		pool := db.Pool(t)
		wg.Go(func() {
			nodes[i], errs[i] = pgtenant.Open(t.Context(), pool, &pgtenant.Options{Registry: &tenant.Options{Logger: quiet()}})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		t.Cleanup(node.Close)
	}
	acme, err := nodes[0].Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := nodes[1].Envelope(tenant.NewContext(t.Context(), acme))
	if err != nil {
		t.Fatal(err)
	}
	for i, node := range nodes {
		if _, err := node.Refresh(t.Context(), tenant.BySlug("acme")); err != nil {
			t.Error(err)
		}
		if _, err := node.Resume(t.Context(), envelope); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
}

// A pool of one connection is enough: the one that listens is taken out of it.
func TestOpenOnSmallPool(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(pgtest.New(t, pgtenant.Template(t)).URL)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	c := open(t, pool, nil)
	mustCreate(t, c.Writer, "acme")
	eventually(t, "it watches", func() bool { return c.Health().Watching })
	if _, err := c.Refresh(t.Context(), tenant.BySlug("acme")); err != nil {
		t.Error(err)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	if _, err := pgtenant.Open(t.Context(), nil, nil); !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("without a pool: %v", err)
	}
	db := pgtest.New(t, nil)
	_, err := pgtenant.Open(t.Context(), db.Pool(t), &pgtenant.Options{Registry: &tenant.Options{MissTTL: -1}})
	if !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("with odd options: %v", err)
	}
	_, err = pgtenant.Open(t.Context(), db.Pool(t), &pgtenant.Options{SkipMigrations: true})
	if _, ok := errors.AsType[*pgmigrate.BehindError](err); !ok {
		t.Errorf("without tables: %v", err)
	}
	pool, line := behindProxy(t, db)
	line.setCut(true)
	if _, err := pgtenant.Open(t.Context(), pool, nil); !errors.Is(err, tenant.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
}

// A program whose role may neither create nor write serves all the same.
func TestOpenAsReader(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtenant.Template(t))
	owner := open(t, db.Pool(t), nil)
	mustCreate(t, owner.Writer, "acme")
	name := pgtest.Role(t, "reader", "LOGIN")
	role := pgx.Identifier{name}.Sanitize()
	for _, sql := range []string{
		`GRANT USAGE ON SCHEMA partywall_catalog TO ` + role,
		`GRANT SELECT ON ALL TABLES IN SCHEMA partywall_catalog TO ` + role,
	} {
		if _, err := db.Pool(t).Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := pgxpool.New(t.Context(), db.As(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	reader, err := pgtenant.Open(t.Context(), pool, &pgtenant.Options{
		SkipMigrations: true, Registry: &tenant.Options{Logger: quiet()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	if _, err := reader.Lookup(t.Context(), tenant.BySlug("acme")); err != nil {
		t.Error(err)
	}
	if _, err := reader.Create(t.Context(), tenant.Spec{Slug: "other"}); err == nil {
		t.Error("a reader writes")
	}
	eventually(t, "it watches", func() bool { return reader.Health().Watching })
}

// What is written in a transaction is there when it commits, and only then.
func TestWithTx(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	c := open(t, pool, nil)
	mustCreate(t, c.Writer, "taken")

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := c.WithTx(tx)
	acme := mustCreate(t, w, "acme")
	if _, err := w.Activate(t.Context(), acme.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.Create(t.Context(), tenant.Spec{Slug: "taken"}); !errors.Is(err, tenant.ErrSlugTaken) {
		t.Errorf("a slug that is taken: %v", err)
	}
	if _, err := w.Create(t.Context(), tenant.Spec{Slug: "www"}); !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("a slug that is reserved: %v", err)
	}
	if _, err := c.Lookup(t.Context(), tenant.BySlug("acme")); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("before the commit: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil { // the refusals left it usable
		t.Fatal(err)
	}
	eventually(t, "acme is known", func() bool {
		got, err := c.Lookup(t.Context(), tenant.BySlug("acme"))
		return err == nil && got.Status == tenant.Active && got.Version == 2
	})

	tx, err = pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, c.WithTx(tx), "never")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(t.Context(), tenant.BySlug("never")); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("after a rollback: %v", err)
	}
}

// Two transactions change one tenant: under every isolation level one of them
// is told of the conflict.
func TestWithTxConflict(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	c := open(t, pool, nil)
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		made := mustCreate(t, c.Writer, "t-"+strings.ReplaceAll(string(level), " ", "-"))
		begin := func() pgx.Tx {
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
			return tx
		}
		first, other := begin(), begin()
		name := "first"
		// Both have their snapshot before either writes.
		var n int
		if err := other.QueryRow(t.Context(), `SELECT count(*) FROM partywall_catalog.tenant`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if _, err := c.WithTx(first).Update(t.Context(), made.ID, 1, tenant.Patch{Name: &name}); err != nil {
			t.Fatal(err)
		}
		lost := make(chan error)
		go func() {
			name := "second"
			_, err := c.WithTx(other).Update(t.Context(), made.ID, 1, tenant.Patch{Name: &name})
			lost <- err
		}()
		if err := first.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-lost; !errors.Is(err, tenant.ErrConflict) {
			t.Errorf("%s: %v", level, err)
		}
	}
}

// A method that starts over when somebody else was faster cannot do so where
// the loss has ended the transaction: what the host is told is the loss.
func TestWithTxConflictEndsTransaction(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	c := open(t, pool, nil)
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		made := mustCreate(t, c.Writer, "t-"+strings.ReplaceAll(string(level), " ", "-"))
		tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
		var n int // takes the snapshot
		if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM partywall_catalog.tenant`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Activate(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
		_, err = c.WithTx(tx).Delete(t.Context(), made.ID, 0)
		switch {
		case level == pgx.ReadCommitted && err != nil:
			t.Errorf("%s: %v", level, err)
		case level != pgx.ReadCommitted && (!errors.Is(err, tenant.ErrConflict) || errors.Is(err, tenant.ErrUnavailable)):
			t.Errorf("%s: %v", level, err)
		}
	}
}

// What is written under a savepoint belongs to the transaction around it, for
// the feed too.
func TestSavepoints(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	c := open(t, pool, nil)
	s := pgtenant.NewHeld(t, pool)
	_, mark := count(t, s, "")
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		for i := range 100 { // more than PostgreSQL keeps in a backend's entry of its snapshot
			err := pgx.BeginFunc(t.Context(), tx, func(inner pgx.Tx) error {
				_, err := c.WithTx(inner).Create(t.Context(), tenant.Spec{Slug: fmt.Sprintf("s-%d", i)})
				if err == nil && i%2 == 0 {
					err = errors.New("rolled back to the savepoint")
				}
				return err
			})
			if (err != nil) != (i%2 == 0) {
				return err
			}
			var n int
			if n, mark = count(t, s, mark); n != 0 {
				t.Errorf("saw %d before the commit", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := count(t, s, mark); n != 50 {
		t.Errorf("saw %d of 50", n)
	}
}

// The database itself holds every writer to the rules that others build on.
func TestGuards(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	c := open(t, pool, nil)
	acme, err := c.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	for _, assignment := range []string{
		`version = version`, `version = version + 2`,
		`version = version + 1, status = 'suspended'`,
		`version = version + 1, server = 'x', strategy = 'shared'`,
		`version = version + 1, epoch = epoch + 1`,
		`version = version + 1, epoch = epoch + 2, status = 'suspended'`,
		`version = version + 1, created_at = now()`, `version = version + 1, id = gen_random_uuid()`,
		`version = version + 1, slug = 'Acme'`, `version = version + 1, slug = 'xn--a'`, `version = version + 1, slug = '1'`,
		`version = version + 1, slug = 'a-'`, `version = version + 1, slug = ''`, `version = version + 1, slug = E'a\n'`,
		`version = version + 1, name = repeat('x', 201)`, `version = version + 1, plan = 'a b'`,
		`version = version + 1, status = 'odd'`, `version = version + 1, delete_after = now()`,
		`version = version + 1, labels = '[]'`, `version = version + 1, epoch = epoch + 1, bucket = 'x'`,
		`version = version + 1, epoch = epoch + 1, server = 'x', strategy = 'schema'`,
	} {
		_, err := pool.Exec(t.Context(), `UPDATE partywall_catalog.tenant SET `+assignment+` WHERE id = $1`, acme.ID)
		if err == nil {
			t.Errorf("SET %s goes through", assignment)
		}
	}
	for _, sql := range []string{`DELETE FROM partywall_catalog.tenant`, `TRUNCATE partywall_catalog.tenant`} {
		if _, err := pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s goes through", sql)
		}
	}
	// What is legal is seen by the nodes, whoever did it.
	_, err = pool.Exec(t.Context(), `UPDATE partywall_catalog.tenant
		SET version = version + 1, epoch = epoch + 1, status = 'suspended', reason = 'by hand' WHERE id = $1`, acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the change by hand is known", func() bool {
		got, err := c.Lookup(t.Context(), tenant.ByID(acme.ID))
		return err == nil && got.Status == tenant.Suspended && got.Placement.Epoch == 2
	})
}

// An error that a host logs does not quote rows.
func TestErrorsQuoteNoRows(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, pgtenant.Template(t)).Pool(t)
	s := pgtenant.NewHeld(t, pool)
	made, err := s.Create(t.Context(), tenant.Tenant{
		ID: tenant.NewID(now()), Slug: "acme", Name: "hunter2", Status: tenant.Active, Placement: tenant.Placement{Epoch: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	made.Slug = "Not A Slug"
	_, err = s.Update(t.Context(), made)
	if !errors.Is(err, tenant.ErrInvalid) || strings.Contains(dump(err), "hunter2") {
		t.Errorf("%s", dump(err))
	}
}
