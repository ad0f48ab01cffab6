package isolation_test

import (
	"errors"
	"testing"

	"github.com/partywall/partywall/isolation"
)

// TestSpareThatDied drains a tenant over the connection that the drain before it
// has left, and again after that one has died unseen.
func TestSpareThatDied(t *testing.T) {
	t.Parallel()
	h := build(t, func(*house) {})
	who := h.who["acme"]
	if _, err := h.Drain(t.Context(), who, nil); err != nil {
		t.Fatal(err)
	}
	if h.BreakSpares("eu-1") == 0 {
		t.Fatal("the drain left no connection")
	}
	if _, err := h.Drain(t.Context(), who, nil); err != nil {
		t.Errorf("over a connection that has died: %v", err)
	}
	var fenced *isolation.FencedError
	if err := h.Activate(t.Context(), who); !errors.As(err, &fenced) {
		t.Errorf("a shut fence opened: %v", err)
	}
}

// TestSparesEndWithTheHouse counts the migrator's connections after Close.
func TestSparesEndWithTheHouse(t *testing.T) {
	t.Parallel()
	h := build(t, func(*house) {})
	node := h.node(t)
	if _, err := node.Drain(t.Context(), h.who["acme"], nil); err != nil {
		t.Fatal(err)
	}
	node.Close()
	if n := node.BreakSpares("eu-1"); n != 0 {
		t.Errorf("%d connections stay after Close", n)
	}
}
