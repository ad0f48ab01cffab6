package s3server_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/s3server"
)

// TestServer: a server answers, is gone when it is killed, and is back at the
// same address.
func TestServer(t *testing.T) {
	t.Parallel()
	s, err := s3server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	address := s.URL()
	if status := ask(t, address); status != http.StatusForbidden {
		t.Errorf("who does not sign gets %d", status)
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := ask(t, address); status != 0 {
		t.Errorf("a killed server answers %d", status)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := ask(t, address); s.URL() != address || status != http.StatusForbidden {
		t.Errorf("after the restart: %s, %d", s.URL(), status)
	}
}

// ask returns the status of an answer, 0 if there is none.
func ask(t *testing.T, address string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
