package main

import (
	"strings"
	"testing"
)

// TestDomains measures a small edge: each way of each table is there, finds what
// it looks for, and nothing of a host that nobody has.
func TestDomains(t *testing.T) {
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	e, err := openEdge(t.Context(), env, 40, 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	benches, err := e.benches(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range benches {
		b.slow = true // which is quicker here: a fifth of the statements
	}
	r := report{Starts: e.starts}
	if r.Domains, err = measure(t.Context(), benches, 1, 1); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.markdown(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| handshake | TLS 1.3 |", "| certificate among 20 | all alike | all alike, in parallel | 1000 of them |", "| host among 40 | all alike | all alike, in parallel | 1000 of them |",
		"| crypto/tls |", "| autotls |", "| Owner |", "| MayServe |", "| 40 hosts | ", "| 20 certificates | ",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	nobody := []string{"nobody.example.test"}
	for _, w := range append(e.certificateWays(nil)[2:], e.hostWays(t.Context())[2:]...) {
		if lookUp(w.open, nobody)(1) == nil || lookUpInParallel(w.open, nobody)(1) == nil {
			t.Errorf("%s finds what is not there", w.name)
		}
	}
}
