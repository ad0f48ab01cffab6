package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/outbox"
	"github.com/partywall/partywall/internal/pgtest"
)

// TestEmpty tells three, of which one cannot be told: the others are gone then,
// and that one is told again later. The session says something after each, so
// that no number of them makes the server think that it is gone.
func TestEmpty(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	pool, watch := db.Pool(t), db.Conn(t)
	_, err := pool.Exec(t.Context(), `
		CREATE TABLE letter (id bigserial, attempts int NOT NULL DEFAULT 0, due_at timestamptz NOT NULL DEFAULT now(), text text NOT NULL);
		INSERT INTO letter (text) VALUES ('one'), ('refused'), ('three')`)
	if err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("no")
	var told, last, failed []string
	box := &outbox.Box[string]{
		Pool: pool, Table: "letter", Columns: "text",
		Scan: func(row pgx.CollectableRow) (text string, err error) { return text, row.Scan(&text) },
		Tell: func(ctx context.Context, text string) error {
			var said string
			err := watch.QueryRow(ctx, `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`).Scan(&said)
			if err != nil {
				t.Error(err)
			}
			first, _, _ := strings.Cut(strings.TrimSpace(said), " ")
			told, last = append(told, text), append(last, first)
			if text == "refused" {
				return refusal
			}
			return nil
		},
		Backoff: func(failures int) time.Duration { return time.Duration(failures) * time.Hour },
		Failed: func(_ context.Context, text string, err error) {
			if !errors.Is(err, refusal) {
				t.Error(err)
			}
			failed = append(failed, text)
		},
	}
	for _, want := range []int{3, 0} {
		if tried, err := box.Empty(t.Context()); tried != want || err != nil {
			t.Errorf("tried %d, want %d; %v", tried, want, err)
		}
	}
	if !slices.Equal(told, []string{"one", "refused", "three"}) || !slices.Equal(failed, []string{"refused"}) {
		t.Errorf("told %q, failed %q", told, failed)
	}
	if want := []string{"SELECT", "DELETE", "UPDATE"}; !slices.Equal(last, want) {
		t.Errorf("said before each %q, want %q", last, want)
	}
	var left string
	var attempts int
	var later bool
	err = pool.QueryRow(t.Context(), `SELECT text, attempts, due_at > now() + interval '59 min' FROM letter`).Scan(&left, &attempts, &later)
	if err != nil || left != "refused" || attempts != 1 || !later {
		t.Errorf("left: %q after %d attempts, later: %v, %v", left, attempts, later, err)
	}
}
