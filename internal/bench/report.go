package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// report is what a run has found out.
type report struct {
	Server string `json:"postgres,omitempty"`
	Rounds int    `json:"rounds,omitempty"`
	Burst  int    `json:"burst,omitempty"`
	Cells  cells  `json:"statements,omitempty"`

	LoadRounds int        `json:"load_rounds,omitempty"`
	Loads      []LoadCell `json:"loads,omitempty"`

	Commands cells  `json:"commands,omitempty"`
	Purge    *Purge `json:"purge,omitempty"`
	Files    cells  `json:"files,omitempty"`

	Tenants        int          `json:"tenants,omitempty"`
	LoadSeconds    float64      `json:"load_seconds,omitempty"`
	BytesPerTenant float64      `json:"bytes_per_tenant,omitempty"`
	Resolution     []Resolution `json:"resolution,omitempty"`

	Domains cells   `json:"domains,omitempty"`
	Starts  []Start `json:"starts,omitempty"`

	Latencies []Latency `json:"latencies,omitempty"`
}

// markdown prints the tables for people.
func (r *report) markdown(w io.Writer) error {
	var text strings.Builder
	if len(r.Cells) > 0 {
		fmt.Fprintf(&text, "PostgreSQL %s, %s on %s/%s with %d processors; medians of %d rounds of %d statements.\n",
			r.Server, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), r.Rounds, r.Burst)
		text.WriteString("A ratio is to hand-written pgx with WHERE tenant_id in the same round; + is allocations beyond it.\n")
		r.Cells.tables(&text)
	}
	if len(r.Loads) > 0 {
		r.loads(&text)
	}
	if len(r.Commands) > 0 {
		text.WriteString("\nCommands on Redis; a ratio is to go-redis with a prefix written by hand in the same round.\n")
		r.Commands.tables(&text)
	}
	if len(r.Files) > 0 {
		text.WriteString("\nFiles; a ratio is to gocloud's own bucket in the same round.\n")
		r.Files.tables(&text)
	}
	if r.Purge != nil {
		fmt.Fprintf(&text, "\nForgetting %d keys of a tenant: %.2f ms by generation, %.0f ms by SCAN and UNLINK.\n",
			r.Purge.Keys, r.Purge.ByGeneration, r.Purge.ByWalking)
	}
	if len(r.Resolution) > 0 {
		fmt.Fprintf(&text, "\n%d tenants, loaded in %.1f s, %.0f bytes each\n\n", r.Tenants, r.LoadSeconds, r.BytesPerTenant)
		text.WriteString("| resolution | ns/op | allocs/op | bytes/op |\n| --- | ---: | ---: | ---: |\n")
		for _, line := range r.Resolution {
			fmt.Fprintf(&text, "| %s | %.0f | %d | %d |\n", line.Name, line.Nanos, line.Allocs, line.Bytes)
		}
	}
	if len(r.Domains) > 0 {
		r.domains(&text)
	}
	latencies(&text, r.Latencies)
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// domains prints the tables of tenants' hosts.
func (r *report) domains(text *strings.Builder) {
	fmt.Fprintf(text, "\nHosts of tenants; a ratio is to crypto/tls or to a Go map in the same round. µs are of one handshake, or of %d look-ups.\n", many)
	r.Domains.tables(text)
	text.WriteString("\n| start | seconds | bytes each |\n| --- | ---: | ---: |\n")
	for _, s := range r.Starts {
		fmt.Fprintf(text, "| %d %s | %.2f | %.0f |\n", s.Count, s.Of, s.Seconds, s.Bytes)
	}
}

// cells are the figures of several tables.
type cells []Cell

// tables prints a table for each transport.
func (all cells) tables(text *strings.Builder) {
	for _, transport := range all.distinct(func(c Cell) string { return c.Transport }) {
		all.table(text, transport)
	}
}

// table prints the table of one transport.
func (all cells) table(text *strings.Builder, transport string) {
	here := slices.DeleteFunc(slices.Clone(all), func(c Cell) bool { return c.Transport != transport })
	statements := here.distinct(func(c Cell) string { return c.Statement })
	fmt.Fprintf(text, "\n| %s |", transport)
	for _, s := range statements {
		fmt.Fprintf(text, " %s |", s)
	}
	text.WriteString("\n| --- |" + strings.Repeat(" --- |", len(statements)) + "\n")
	for _, way := range here.distinct(func(c Cell) string { return c.Way }) {
		var line strings.Builder
		found := false
		for _, s := range statements {
			c := all.find(transport, s, way)
			if c == nil {
				line.WriteString(" |")
				continue
			}
			found = true
			fmt.Fprintf(&line, " %.2f (%.2f–%.2f) %.0f µs %+.0f", c.Ratio, c.Low, c.High, c.Micros, c.Allocs)
			if c.Over != "" {
				fmt.Fprintf(&line, "; %.2f of %s", c.Beside, c.Over)
			}
			line.WriteString(" |")
		}
		if found {
			fmt.Fprintf(text, "| %s |%s\n", way, line.String())
		}
	}
}

func (all cells) find(transport, statement, way string) *Cell {
	for i, c := range all {
		if c.Transport == transport && c.Statement == statement && c.Way == way {
			return &all[i]
		}
	}
	return nil
}

// distinct returns the values of one column in the order of their appearance.
func (all cells) distinct(of func(Cell) string) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range all {
		if v := of(c); !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// writeJSON writes all figures to a file for programs, if there is a name for
// one.
func (r *report) writeJSON(name string) error {
	if name == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("JSON: %w", err)
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o644); err != nil { //nolint:gosec // G306: figures for everybody
		return fmt.Errorf("JSON: %w", err)
	}
	return nil
}
