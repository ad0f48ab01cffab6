package embedded_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/partywall/partywall/internal/embedded"
)

// TestDocker passes on machines with and without an engine: either there is a
// working server, or a clear error and the next source.
func TestDocker(t *testing.T) {
	t.Parallel()

	server, err := embedded.Start(t.Context(), &embedded.Options{Sources: []embedded.Source{embedded.Docker}})
	if err == nil {
		t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })

		if got := database(t, server.URL("postgres")); got != "postgres" {
			t.Errorf("database = %q", got)
		}

		return
	}

	if !errors.Is(err, embedded.ErrNoServer) || !strings.Contains(err.Error(), "embedded: docker: ") {
		t.Errorf("error is not clear: %v", err)
	}

	next := start(t, &embedded.Options{Sources: []embedded.Source{embedded.Docker, embedded.Local}})
	if next.Source() != embedded.Local {
		t.Errorf("source after Docker = %s", next.Source())
	}
}
