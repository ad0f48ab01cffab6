package provisioning_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/provisioning"
)

// TestMistakes tells all that is wrong with an engine at once.
func TestMistakes(t *testing.T) {
	t.Parallel()
	twice := step{Name: "a"}
	bad := kind{Name: "no such name", Stages: []provisioning.Stage[order, meal]{{twice, twice}, {step{Name: "f", Final: true}, step{Name: "ok"}}}}
	_, err := provisioning.New(nil, nil, &provisioning.Options{Kinds: []provisioning.Definition{bad, kind{Name: "empty"}}, Workers: -2, Lease: time.Millisecond})
	if !errors.Is(err, provisioning.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{"pool is nil", "two steps", "not alone", "no steps", "Workers", "Lease"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nsays nothing of %q", err, want)
		}
	}
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "a", Do: func(_ context.Context, r *run) error {
		r.Progress(0.5, "half \x00 \xff "+strings.Repeat("ü", 5000))
		return provisioning.Fail(errors.New("bad \x00 \xff " + strings.Repeat("x", 1<<20)))
	}})}}
	pool := catalog(t)
	e := start(t, pool, quick(k))
	for name, r := range map[string]*provisioning.Request{
		"key": {Key: strings.Repeat("k", 201)}, "actor": {Actor: strings.Repeat("a", 201)}, "timeout": {Timeout: -1},
	} {
		if _, err := k.Start(t.Context(), e, order{}, r); !errors.Is(err, provisioning.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, dish := range []string{"nul \x00", strings.Repeat("x", 2<<20)} {
		if _, err := k.Start(t.Context(), e, order{Dish: dish}, nil); !errors.Is(err, provisioning.ErrInvalid) {
			t.Errorf("%.10q: %v", dish, err)
		}
	}
	h, err := k.Start(t.Context(), e, order{Dish: `'); DROP TABLE x; -- \u0001`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := h.Wait(t.Context()); !errors.As(err, &undone) {
		t.Error(err)
	}
	if _, err := e.Get(t.Context(), provisioning.ID{1}); !errors.Is(err, provisioning.ErrNotFound) {
		t.Error(err)
	}
	if err := e.Cancel(t.Context(), provisioning.ID{1}, ""); !errors.Is(err, provisioning.ErrNotFound) {
		t.Error(err)
	}
	if _, err := provisioning.ParseID("x"); !errors.Is(err, provisioning.ErrInvalid) {
		t.Error(err)
	}
}
