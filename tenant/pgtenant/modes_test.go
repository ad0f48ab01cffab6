package pgtenant_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// A pool may speak to PostgreSQL in whichever way the host has chosen for it,
// and through a pooler in the ways that leave no prepared statement behind.
func TestModes(t *testing.T) {
	t.Parallel()
	for pooled, modes := range map[bool][]pgx.QueryExecMode{
		false: {
			pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
			pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
		},
		true: {pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol},
	} {
		for _, mode := range modes {
			t.Run(fmt.Sprintf("%s/pooled=%t", mode, pooled), func(t *testing.T) {
				t.Parallel()
				db := pgtest.New(t, pgtenant.Template(t))
				url := db.URL
				if pooled {
					url = db.Pooled(superuser(t, db))
				}
				config, err := pgxpool.ParseConfig(url)
				if err != nil {
					t.Fatal(err)
				}
				config.ConnConfig.DefaultQueryExecMode = mode
				pool, err := pgxpool.NewWithConfig(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pool.Close)
				useEverything(t, open(t, pool, nil))
			})
		}
	}
}

func superuser(t *testing.T, db *pgtest.Database) string {
	t.Helper()
	config, err := pgx.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	return config.User
}

// useEverything sends every statement of the package once.
func useEverything(t *testing.T, c *pgtenant.Catalog) {
	t.Helper()
	labels := tenant.NewLabels(map[string]string{"owner": `o'neill "\`})
	made, err := c.Create(t.Context(), tenant.Spec{Slug: "acme", Labels: labels, Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), tenant.Spec{Slug: "acme"}); err == nil {
		t.Error("a slug was given twice")
	}
	if made, err = c.Delete(t.Context(), made.ID, 0); err != nil {
		t.Fatal(err)
	}
	if made, err = c.Suspend(t.Context(), made.ID, "kept"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []tenant.Key{tenant.ByID(made.ID), tenant.BySlug("acme"), tenant.ByNumber(made.Number)} {
		if got, err := c.Refresh(t.Context(), key); err != nil || got.Version != 3 {
			t.Errorf("%s: version %d, %v", key, got.Version, err)
		}
	}
	page, err := c.List(t.Context(), tenant.Query{
		Labels: labels, Status: []tenant.Status{tenant.Suspended, tenant.Active}, SlugPrefix: "ac", Limit: 1,
	})
	if err != nil || len(page.Tenants) != 1 {
		t.Errorf("listed %d, %v", len(page.Tenants), err)
	}
	if made, err = c.Activate(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	envelope, err := c.Envelope(tenant.NewContext(t.Context(), made))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Resume(t.Context(), envelope); err != nil {
		t.Error(err)
	}
	if id, err := c.RotateEnvelopeKey(t.Context()); id != 2 || err != nil {
		t.Errorf("rotated to %d, %v", id, err)
	}
	if n, err := c.DropEnvelopeKeys(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	if h := c.Health(); h.Err != nil {
		t.Errorf("health %+v", h)
	}
}
