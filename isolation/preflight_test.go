package isolation_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestPreflight names all rights that a migrator lacks, and nothing once they
// were granted as it says.
func TestPreflight(t *testing.T) {
	t.Parallel()
	migrator := pgtest.Role(t, "migrator", "LOGIN SUPERUSER")
	h := build(t, func(h *house) {
		s := h.servers["eu-1"]
		s.Migrator = h.data.As(migrator)
		h.servers["eu-1"] = s
	})
	if err := h.Preflight(t.Context(), tenant.Shared, tenant.Schema, tenant.Database); err != nil {
		t.Errorf("a superuser: %v", err)
	}
	admin := h.data.Conn(t)
	grant := func(sql string) {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	grant(`GRANT CONNECT ON DATABASE "` + h.data.Name + `" TO "` + migrator + `"; ALTER ROLE "` + migrator + `" NOSUPERUSER NOCREATEDB`)
	var missing *isolation.PermissionError
	err := h.Preflight(t.Context(), tenant.Schema, tenant.Database)
	if !errors.As(err, &missing) || !errors.Is(err, isolation.ErrRefused) {
		t.Fatal(err)
	}
	if len(missing.Missing) < 3 {
		t.Errorf("only %q", missing.Missing)
	}
	for _, m := range missing.Missing {
		_, sql, _ := strings.Cut(m, "; run: ")
		grant(sql)
	}
	if err := h.Preflight(t.Context(), tenant.Schema, tenant.Database); err != nil {
		t.Errorf("after all was granted: %v", err)
	}
}
