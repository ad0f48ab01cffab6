package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/provisioning"
)

// TestStop interrupts a step when the time to stop is over. Another worker does
// it at once, and not as a second attempt.
func TestStop(t *testing.T) {
	t.Parallel()
	begun := make(chan string, 2)
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "slow", Do: func(ctx context.Context, r *run) error {
		begun <- fmt.Sprint(r.Attempt)
		if r.Token.Number > 1 {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}})}}
	pool := catalog(t)
	o := quick(k)
	o.Lease = time.Hour // what is not given back stays
	leaving, err := provisioning.New(pool, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaving.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := k.Start(t.Context(), leaving, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	if err := leaving.Stop(hurry); !errors.Is(err, context.Canceled) {
		t.Errorf("stopping says %v", err)
	}
	start(t, pool, o)
	if _, err := h.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if attempt := <-begun; attempt != "1" {
		t.Errorf("attempt %s", attempt)
	}
}

// TestTakenOver lets a worker's lease run out while it works, and another go on:
// whatever the first does then is refused.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	pool := catalog(t)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE bill (token bigint)`); err != nil {
		t.Fatal(err)
	}
	stuck, goOn, late := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "pay", Do: func(_ context.Context, r *run) error {
		pay := func() error {
			return r.Tx(context.Background(), func(tx pgx.Tx) error {
				_, err := tx.Exec(context.Background(), `INSERT INTO bill VALUES ($1)`, r.Token.Number)
				return err
			})
		}
		if r.Token.Number == 1 {
			close(stuck)
			<-goOn
			late <- pay()
			r.Set(func(m *meal) { m.Plates = append(m.Plates, "late") })
			return nil
		}
		return pay()
	}})}}
	o := quick(k)
	o.Name = "first"
	first := start(t, pool, o)
	h, err := k.Start(t.Context(), first, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-stuck
	// What a paused process looks like: its lease is over, and it does not know.
	if _, err := pool.Exec(t.Context(), `UPDATE partywall_operations.operation SET lease_until = clock_timestamp() - interval '1 s'`); err != nil {
		t.Fatal(err)
	}
	start(t, pool, quick(k))
	out, err := h.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-late; !errors.Is(err, provisioning.ErrLost) {
		t.Errorf("a late write says %v", err)
	}
	var tokens []int64
	if err := pool.QueryRow(t.Context(), `SELECT array_agg(token) FROM bill`).Scan(&tokens); err != nil || len(tokens) != 1 || tokens[0] < 2 {
		t.Errorf("paid by %v, %v", tokens, err)
	}
	if len(out.Plates) > 0 {
		t.Errorf("the late worker brought %q", out.Plates)
	}
	var over bool
	for v, err := range h.Events(t.Context()) {
		over = over || err == nil && v.Type == provisioning.TakenOver && v.Message == "first"
	}
	if !over {
		t.Error("nothing tells that it was taken over")
	}
}
