package pgerror_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgerror"
)

func TestClean(t *testing.T) {
	t.Parallel()
	const row = "Key (email)=(ann@example.com) already exists."
	original := &pgconn.PgError{Code: "23505", Message: "duplicate key", ConstraintName: "key", Detail: row, Where: row, InternalQuery: row}
	got, ok := pgerror.Clean(fmt.Errorf("writing: %w", original))
	if !ok || got.Code != "23505" || got.ConstraintName != "key" || strings.Contains(fmt.Sprintf("%+v", *got), "ann@") {
		t.Errorf("%+v, %v", got, ok)
	}
	if original.Detail != row {
		t.Error("the original was changed")
	}
	if _, ok := pgerror.Clean(errors.New("another")); ok {
		t.Error("an error that is none of PostgreSQL's")
	}
	for code, want := range map[string]bool{"23505": true, "40001": true, "40P01": true, "23503": false, "": false} {
		if got := pgerror.IsConflict(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("%q is a conflict: %v", code, got)
		}
	}
}
