package main

import (
	"strings"
	"testing"
)

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-rounds=-1", "-loads=-1", "-schemas=-1", "-tenants=-1", "-domains=-1", "-burst=0", "-loads=many"} {
		var out strings.Builder
		if err := run(t.Context(), []string{flag}, &out); err == nil || !strings.HasPrefix(err.Error(), "flags: ") || out.Len() > 0 {
			t.Errorf("%s: %v, and %q was printed, want an error of flags", flag, err, out.String())
		}
	}
}

// A figure that was asked for by a name that there is not is told, and not
// passed over.
func TestNothingOfTheName(t *testing.T) {
	t.Parallel()
	args := []string{"-only=no such thing"}
	for _, part := range []string{"rounds", "loads", "tenants", "commands", "files", "domains", "drains", "changes", "neighbours", "births"} {
		args = append(args, "-"+part+"=0")
	}
	var out strings.Builder
	if err := run(t.Context(), args, &out); err == nil || !strings.Contains(err.Error(), `"no such thing"`) || out.Len() > 0 {
		t.Errorf("%v, and %q was printed", err, out.String())
	}
}
