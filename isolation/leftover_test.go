package isolation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
)

// TestFailuresLeaveNothingToSend has statements that the connection does not
// know yet fail again and again, at the gate and behind it. What one of them
// sends does not grow: a connection remembers no more than the server prepared.
func TestFailuresLeaveNothingToSend(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testing.T, *house, context.Context){
		"at the gate": func(t *testing.T, h *house, ctx context.Context) {
			t.Helper()
			if _, err := h.Exec(ctx, `SELECT 1`); !errors.Is(err, isolation.ErrFenced) {
				t.Fatal(err)
			}
		},
		"behind it": func(t *testing.T, h *house, ctx context.Context) {
			t.Helper()
			var b pgx.Batch
			b.Queue(`SELECT item FROM orders`)
			b.Queue(`SELECT nothing FROM orders`)
			if err := h.SendBatch(ctx, &b).Close(); sqlState(err) != "42703" {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent flushes
			h := build(t, func(h *house) { single(h); h.opts.FenceWait = -1 })
			h.DialBy(sent.dial)
			ctx := h.as(t, "acme")
			if name == "at the gate" {
				if _, err := h.Drain(t.Context(), h.who["acme"], nil); err != nil {
					t.Fatal(err)
				}
			}
			var sizes []int64
			for range 40 {
				before := sent.bytes.Load()
				fail(t, h, ctx)
				sizes = append(sizes, sent.bytes.Load()-before)
			}
			// The first dials, and of the rest each sends away what the one before
			// has left; the names of statements count upwards.
			if second, last := sizes[1], sizes[39]; last > second+8 {
				t.Errorf("the second sends %d bytes, the last %d: %d", second, last, sizes)
			}
		})
	}
}
