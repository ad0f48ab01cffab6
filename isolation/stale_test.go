package isolation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
)

// single opens the house with one connection, which every tenant of a database
// uses in turn.
func single(h *house) {
	s := h.servers["eu-1"]
	s.MaxConns = 1
	h.servers["eu-1"] = s
}

// TestHandlesThatOutliveTheirTransaction keeps what a transaction of acme's
// has given, and uses it while the connection is globex's.
func TestHandlesThatOutliveTheirTransaction(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	acme := h.as(t, "acme")
	ended, cancel := context.WithCancel(acme)
	cancel()
	for name, end := range map[string]func(pgx.Tx) error{
		"commit":   func(tx pgx.Tx) error { return tx.Commit(acme) },
		"rollback": func(tx pgx.Tx) error { return tx.Rollback(acme) },
	} {
		outer, err := h.Begin(acme)
		if err != nil {
			t.Fatal(err)
		}
		nested, err := outer.Begin(acme)
		if err != nil {
			t.Fatal(err)
		}
		deeper, err := nested.Begin(acme)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := outer.Exec(acme, `SELECT item FROM orders`); err != nil { // the connection knows it from now on
			t.Fatal(err)
		}
		unread, _ := outer.Query(ended, `SELECT item FROM orders`) // its error would come out of the rows
		if err := end(outer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		foreign, err := h.Query(h.as(t, "globex"), `SELECT item FROM orders`)
		if err != nil {
			t.Fatal(err)
		}
		if unread.Next() || unread.RawValues() != nil || unread.Err() == nil {
			t.Errorf("%s: rows of acme's transaction read %q of globex's", name, unread.RawValues())
		}
		unread.Close()
		for level, tx := range map[string]pgx.Tx{"nested": nested, "deeper": deeper} {
			var item string
			if err := tx.QueryRow(acme, `SELECT item FROM orders`).Scan(&item); !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("%s: %s: reads %q, %v", name, level, item, err)
			}
			if _, err := tx.Begin(acme); !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("%s: %s: begins: %v", name, level, err)
			}
			if err := errors.Join(tx.Commit(acme), tx.Rollback(acme)); !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("%s: %s: ends: %v", name, level, err)
			}
		}
		if got, err := pgx.CollectRows(foreign, pgx.RowTo[string]); err != nil || len(got) != 1 || got[0] != "of globex" {
			t.Errorf("%s: globex reads %q, %v", name, got, err)
		}
	}
	h.clean(t)
}

// TestBatchThatOutlivesItsTransaction is the same for the results of a batch.
func TestBatchThatOutlivesItsTransaction(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	acme := h.as(t, "acme")
	tx, err := h.Begin(acme)
	if err != nil {
		t.Fatal(err)
	}
	var b pgx.Batch
	b.Queue(`SELECT item FROM orders`)
	b.Queue(`SELECT item FROM orders`)
	results := tx.SendBatch(acme, &b)
	first, err := results.Query()
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(acme); err == nil {
		t.Error("rolled back in the middle of a batch, and said nothing")
	}
	h.clean(t, "acme")
	if first.Next() {
		t.Errorf("rows of the batch read %q", first.RawValues())
	}
	if _, err := results.Query(); err == nil {
		t.Error("the batch is still of use")
	}
	if err := results.Close(); err == nil {
		t.Error("the batch ended well")
	}
	h.clean(t)
}

// TestBatchClosedFromWithin closes a batch from one of its own functions: the
// connection is given back once.
func TestBatchClosedFromWithin(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	var b pgx.Batch
	b.Queue(`SELECT item FROM orders`).Fn = func(results pgx.BatchResults) error { return results.Close() }
	b.Queue(`SELECT item FROM orders`)
	if err := h.SendBatch(h.as(t, "acme"), &b).Close(); err != nil {
		t.Error(err)
	}
	if s := h.Stats()["eu-1"]; s.Open != 1 || s.Idle != 1 {
		t.Errorf("after it: %+v", s)
	}
	// A connection that was given back twice would be lent twice.
	tx, err := h.Begin(h.as(t, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	short, cancel := context.WithCancel(h.as(t, "globex"))
	cancel()
	if _, err := h.Begin(short); err == nil || errors.Is(err, isolation.ErrClosed) {
		t.Errorf("globex: %v", err)
	}
}
