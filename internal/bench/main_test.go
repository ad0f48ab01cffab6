package main

import (
	"strings"
	"testing"
)

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-rounds=-1", "-loads=-1", "-schemas=-1", "-tenants=-1", "-burst=0", "-loads=many"} {
		var out strings.Builder
		if err := run(t.Context(), []string{flag}, &out); err == nil || !strings.HasPrefix(err.Error(), "flags: ") || out.Len() > 0 {
			t.Errorf("%s: %v, and %q was printed, want an error of flags", flag, err, out.String())
		}
	}
}
