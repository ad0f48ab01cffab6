package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 101)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for q, want := range map[float64]float64{0: 0, 0.25: 25, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
	if hundred[0] != 100 {
		t.Error("quantile has sorted what it was given")
	}
}

func TestAnonymous(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]uint64{
		"Name:\tpostgres\nVmRSS:\t   20480 kB\nRssAnon:\t    4096 kB\nRssFile:\t    8192 kB\n": 4096 << 10,
		"Name:\tpostgres\n": 0,
		"":                  0,
	} {
		if got := anonymous(status); got != want {
			t.Errorf("anonymous(%q) = %d, want %d", status, got, want)
		}
	}
}

func exampleReport() *report {
	return &report{
		Server: "15.18", Rounds: 3, Burst: 25, LoadRounds: 4,
		Cells: []Cell{
			{Transport: "unix", Statement: "point", Way: "hand-written pgx", Ratio: 1, Low: 1, High: 1, Micros: 50},
			{Transport: "unix", Statement: "point", Way: "GORM, bound", Ratio: 2, Low: 1.5, High: 2.5, Micros: 100, Allocs: 69, Over: "GORM, no wall", Beside: 1.04},
			{Transport: "unix", Statement: "join", Way: "hand-written pgx", Ratio: 1, Low: 1, High: 1, Micros: 70},
		},
		Loads: []LoadCell{
			{Transport: "unix", Load: "point, Zipf, 32", Way: "hand-written pgx", Ratio: 1, Low: 1, High: 1, Throughput: 1, P99: 1, PooledP99: 1, Micros: 600, PerSecond: 30000, Switched: -1},
			{Transport: "unix", Load: "point, Zipf, 32", Way: "shared", Ratio: 1.5, Low: 1.4, High: 1.6, Throughput: 0.7, P99: 1.2, PooledP99: 1.3, Micros: 900, PerSecond: 21000, Switched: 0.85, BackendBytes: 4_300_000},
			{Transport: "tcp at 800µs", Load: "point, Zipf, 32", Way: "hand-written pgx", Switched: -1},
		},
	}
}

// TestMarkdown looks for one whole line of each kind.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	if err := exampleReport().markdown(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| unix | point | join |",
		"| GORM, bound | 2.00 (1.50–2.50) 100 µs +69; 1.04 of GORM, no wall | |",
		"medians of 4 rounds",
		"| unix: load, clients | way | mean time | throughput | p99 | p99 of all | µs | per second | switched | MB per backend |",
		"| point, Zipf, 32 | shared | 1.50 (1.40–1.60) | 0.70 | 1.20 | 1.30 | 900 | 21000 | 85 % | 4.3 |",
		"| point, Zipf, 32 | hand-written pgx | 1.00 (1.00–1.00) | 1.00 | 1.00 | 1.00 | 600 | 30000 |  | 0.0 |",
		"| tcp at 800µs: load, clients | way |",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "figures.json")
	r := exampleReport()
	if err := r.writeJSON(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("came back as %+v, %v, want %+v", back, err, r)
	}
}
