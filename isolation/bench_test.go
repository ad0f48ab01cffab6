package isolation_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// BenchmarkPoint is a first look; internal/bench compares side by side.
func BenchmarkPoint(b *testing.B) {
	h := build(b, func(h *house) { s := h.servers["eu-1"]; s.MaxConns = 1; h.servers["eu-1"] = s })
	raw, err := pgx.Connect(b.Context(), h.data.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close(b.Context())
	acme, globex := h.as(b, "acme"), h.as(b, "globex")
	var item string
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := raw.QueryRow(acme, `SELECT item FROM orders WHERE tenant_id = $1 AND id = $2`, 1, 1).Scan(&item); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bound", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := h.QueryRow(acme, `SELECT item FROM orders WHERE id = $1`, 1).Scan(&item); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("switch", func(b *testing.B) {
		b.ReportAllocs()
		turn := acme
		for b.Loop() {
			if turn == acme {
				turn = globex
			} else {
				turn = acme
			}
			if err := h.QueryRow(turn, `SELECT item FROM orders WHERE id = $1`, 1).Scan(&item); err != nil {
				b.Fatal(err)
			}
		}
	})
}
