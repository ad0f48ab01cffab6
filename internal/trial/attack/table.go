package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tally counts how every case ended, on every server. It is safe for concurrent
// use.
type tally struct {
	mu       sync.Mutex
	columns  []string
	outcomes map[string]map[string][]Outcome // by case, then by server
}

func newTally() *tally { return &tally{outcomes: map[string]map[string][]Outcome{}} }

func (t *tally) add(server string, o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.columns, server) {
		t.columns = append(t.columns, server)
	}
	if t.outcomes[o.Case.ID] == nil {
		t.outcomes[o.Case.ID] = map[string][]Outcome{}
	}
	t.outcomes[o.Case.ID][server] = append(t.outcomes[o.Case.ID][server], o)
}

// good reports whether no case has failed.
func (t *tally) good() bool {
	for _, servers := range t.outcomes {
		for _, all := range servers {
			if slices.ContainsFunc(all, func(o Outcome) bool { return !o.Verdict.Good() }) {
				return false
			}
		}
	}
	return true
}

// print writes the table: a line for every case, a column for every server.
func (t *tally) print(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(out, "%-4s %-62s %-20s", "", "attack", "control")
	for _, c := range t.columns {
		fmt.Fprintf(out, " %-20s", "PG "+c)
	}
	fmt.Fprintln(out)
	reasons := map[string][]string{}
	for _, c := range cases() {
		fmt.Fprintf(out, "%-4s %-62s %-20s", c.ID, c.Name, c.On)
		for _, server := range t.columns {
			all := t.outcomes[c.ID][server]
			fmt.Fprintf(out, " %-20s", cell(all))
			for _, o := range all {
				if o.Evidence != "" && !slices.Contains(reasons[c.ID], line(server, o)) {
					reasons[c.ID] = append(reasons[c.ID], line(server, o))
				}
			}
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
	for _, id := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(out, "%-4s %s\n", id, strings.Join(reasons[id], "\n     "))
	}
}

// line is a reason to be read: where the suite passes one for all places, else
// each with its place.
func line(server string, o Outcome) string {
	if o.Verdict.Good() {
		return string(o.Verdict) + ": " + o.Evidence
	}
	return fmt.Sprintf("%s on %s, %s: %s", o.Verdict, server, o.At, o.Evidence)
}

// cell sums up how a case ended on one server: the worst, and how often.
func cell(all []Outcome) string {
	counts := map[Verdict]int{}
	for _, o := range all {
		counts[o.Verdict]++
	}
	for _, v := range []Verdict{Leak, Broken, NoControl, Shut, Open, Unbuilt, Proven} {
		if counts[v] > 0 {
			return fmt.Sprintf("%s %d/%d", v, counts[v], len(all))
		}
	}
	return fmt.Sprintf("%s %d/%d", Held, counts[Held], len(all))
}
