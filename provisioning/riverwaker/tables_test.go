package riverwaker_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

// TestTables starts over tables that are missing, and over those of each earlier
// version of River, as a role that may make none, and then as one that may.
func TestTables(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]int{"missing": 0, "version 1": 1, "version 3": 3, "version 5": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.New(t, nil).Pool(t)
			if version > 0 {
				if _, err := pool.Exec(t.Context(), `CREATE SCHEMA partywall_river`); err != nil {
					t.Fatal(err)
				}
				m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: "partywall_river", Logger: quiet(t)})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := m.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: version}); err != nil {
					t.Fatal(err)
				}
			}
			careful := own(t, pool, &riverwaker.Options{SkipMigrations: true})
			err := careful.Start(t.Context(), func(provisioning.ID) {})
			if !errors.Is(err, riverwaker.ErrTables) || !strings.Contains(err.Error(), "partywall_river: unapplied migrations: [") {
				t.Fatalf("starting says %v", err)
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if err := own(t, pool, &riverwaker.Options{}).Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			woken := make(chan provisioning.ID)
			if err := careful.Start(t.Context(), func(id provisioning.ID) { woken <- id }); err != nil {
				t.Fatal(err)
			}
			ask(t, pool, careful, anID(1), time.Time{})
			receive(t, woken)
			if err := careful.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoTablesNoOperation starts an operation that nobody could be woken for.
func TestNoTablesNoOperation(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, nil).Pool(t)
	k := single(nothing)
	e, err := provisioning.New(pool, nil, &provisioning.Options{
		Kinds: []provisioning.Definition{k}, Waker: own(t, pool, &riverwaker.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Start(t.Context(), e, none{}, nil); err == nil || !strings.HasPrefix(err.Error(), "riverwaker: having operation ") {
		t.Errorf("starting says %v", err)
	}
	if left, err := e.List(t.Context(), provisioning.Query{}); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestMayNotCreate migrates as a role that may use the tables and create none:
// there is nothing to do.
func TestMayNotCreate(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	if err := own(t, db.Pool(t), &riverwaker.Options{}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	role := pgtest.Role(t, "river", "LOGIN")
	conn := db.Conn(t)
	if _, err := conn.Exec(t.Context(), `GRANT USAGE ON SCHEMA partywall_river TO `+role+`;
		GRANT SELECT ON ALL TABLES IN SCHEMA partywall_river TO `+role, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if err := own(t, connect(t, db.As(role)), &riverwaker.Options{}).Migrate(t.Context()); err != nil {
		t.Error(err)
	}
	other := own(t, connect(t, db.As(role)), &riverwaker.Options{Schema: "elsewhere"})
	if err := other.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("migrating without the right says %v", err)
	}
}

// TestMistakes are settings that make no sense.
func TestMistakes(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, nil).Pool(t)
	for name, o := range map[string]*riverwaker.Options{
		"workers": {MaxWorkers: -2}, "too many workers": {MaxWorkers: 1 << 20}, "schema": {Schema: `no"such`},
		"long schema": {Schema: strings.Repeat("s", 60)}, "queue": {Queue: "no such queue!"},
	} {
		if _, err := riverwaker.New(pool, o); !errors.Is(err, riverwaker.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := riverwaker.New(nil, nil); !errors.Is(err, riverwaker.ErrInvalid) {
		t.Error(err)
	}
	if _, err := riverwaker.NewWith(nil, nil, ""); !errors.Is(err, riverwaker.ErrInvalid) {
		t.Error(err)
	}
}
