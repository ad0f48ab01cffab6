package pgtx_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/internal/pgtx"
)

func TestRun(t *testing.T) {
	t.Parallel()
	conn := pgtest.New(t, nil).Conn(t)
	own := errors.New("no")
	for _, end := range []error{nil, own} {
		err := pgtx.Run(t.Context(), conn, func(tx pgx.Tx) error {
			var idle string
			err := tx.QueryRow(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&idle)
			if want := pgtx.Idle.String(); err != nil || idle != want {
				t.Errorf("idle for %s, want %s; %v", idle, want, err)
			}
			if _, err := tx.Exec(t.Context(), `CREATE TABLE made (n int)`); err != nil {
				return err
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Errorf("%v, want %v", err, end)
		}
		var made bool
		var idle string
		err = conn.QueryRow(t.Context(), `SELECT to_regclass('made') IS NOT NULL, current_setting('idle_in_transaction_session_timeout')`).Scan(&made, &idle)
		if err != nil || made != (end == nil) || idle != "0" {
			t.Errorf("made: %v, idle for %s afterwards, %v", made, idle, err)
		}
		if _, err := conn.Exec(t.Context(), `DROP TABLE IF EXISTS made`); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSilentClient locks a row and falls silent: another waits for it no longer
// than it must.
func TestSilentClient(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	silent, other := db.Conn(t), db.Conn(t)
	if _, err := other.Exec(t.Context(), `CREATE TABLE job (n int); INSERT INTO job VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	tx, err := silent.BeginTx(t.Context(), pgx.TxOptions{BeginQuery: pgtx.Begin(300 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	const lock = `SELECT FROM job FOR UPDATE`
	if _, err := tx.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("who was silent has committed")
	}
}
