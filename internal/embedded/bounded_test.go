package embedded_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/embedded"
)

func TestBoundedSurvivesPanic(t *testing.T) {
	t.Parallel()

	call := func(context.Context) (string, error) { panic("no docker host") }

	_, err := embedded.Bounded(t.Context(), patience, call, nil)
	if err == nil || !strings.Contains(err.Error(), "panic: no docker host") {
		t.Errorf("error = %v, want the panic's text", err)
	}
}

func TestBoundedLeavesHangingCall(t *testing.T) {
	t.Parallel()

	release, cleaned := make(chan struct{}), make(chan string)
	call := func(context.Context) (string, error) {
		<-release

		return "late server", nil
	}
	late := func(value string, _ error) { cleaned <- value }

	_, err := embedded.Bounded(t.Context(), time.Millisecond, call, late)
	if err == nil || !strings.Contains(err.Error(), "gave up after 1ms") {
		t.Errorf("error = %v, want the timeout", err)
	}

	close(release)

	if got := <-cleaned; got != "late server" {
		t.Errorf("cleaned up %q, want what came late", got)
	}
}
