package isolation_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

func TestStdDB(t *testing.T) {
	t.Parallel()
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, mode)
			std := h.StdDB()
			if err := std.PingContext(t.Context()); err != nil {
				t.Error(err)
			}
			for _, slug := range slugs() {
				ctx := h.as(t, slug)
				var item, total string
				var at time.Time
				var gone sql.NullString
				err := std.QueryRowContext(ctx, `SELECT item, total, timestamptz '2026-11-23 12:00Z', NULL::text FROM orders WHERE id = $1`, 1).
					Scan(&item, &total, &at, &gone)
				if err != nil || item != "of "+slug || total != "10.00" || at.Unix() != 1795435200 || gone.Valid {
					t.Errorf("%s: %q %q %v %v, %v", slug, item, total, at, gone, err)
				}
				tx, err := std.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(ctx, `DELETE FROM orders`); err != nil {
					t.Error(err)
				}
				if err := tx.Rollback(); err != nil {
					t.Error(err)
				}
				if _, err := std.Exec(`DELETE FROM orders`); !errors.Is(err, tenant.ErrNoTenant) { //nolint:noctx // that is the point
					t.Errorf("%s: without a context: %v", slug, err)
				}
			}
			h.clean(t)
		})
	}
}

// TestStdConnsBareHands goes past database/sql to what it holds: there is no
// connection in it, and no way to leave a transaction behind.
func TestStdConnsBareHands(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	ctx := h.as(t, "acme")
	conn, err := h.StdDB().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(held any) error {
		bare, ok := held.(driver.ConnBeginTx)
		if !ok {
			t.Fatalf("a %T", held)
		}
		first, err := bare.BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			return err
		}
		if _, err := bare.BeginTx(ctx, driver.TxOptions{}); !errors.Is(err, isolation.ErrRefused) {
			t.Errorf("a second transaction: %v", err)
		}
		asks, ok := held.(driver.QueryerContext)
		if !ok {
			t.Fatalf("a %T", held)
		}
		if _, err := asks.QueryContext(h.as(t, "globex"), `SELECT 1`, nil); !errors.Is(err, tenant.ErrTwoTenants) {
			t.Errorf("another tenant: %v", err)
		}
		if _, err := asks.QueryContext(t.Context(), `SELECT 1`, nil); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("no tenant: %v", err)
		}
		return first.Rollback()
	})
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Error(err)
	}
	h.clean(t)
}
