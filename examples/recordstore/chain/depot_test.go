package chain

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gocloud.dev/blob/driver"
)

// TestDepot asks for what was signed, and for what was not.
func TestDepot(t *testing.T) {
	t.Parallel()
	d, err := newDepot(t.TempDir(), "/files")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.account.Create(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	shelf, err := d.account.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shelf.Close() }()
	if err := shelf.WriteAll(t.Context(), "a", []byte("text"), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file, signed, method string
		life                 time.Duration
		status               int
	}{
		"as signed":      {"a", http.MethodGet, http.MethodGet, time.Minute, http.StatusOK},
		"too late":       {"a", http.MethodGet, http.MethodGet, -time.Minute, http.StatusForbidden},
		"another method": {"a", http.MethodGet, http.MethodHead, time.Minute, http.StatusForbidden},
		"no such file":   {"b", http.MethodGet, http.MethodGet, time.Minute, http.StatusNotFound},
	} {
		u, err := d.signer.URLFromKey(t.Context(), c.file, &driver.SignedURLOptions{Method: c.signed, Expiry: c.life})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, u.String(), nil))
		if w.Code != c.status || c.status == http.StatusOK && w.Body.String() != "text" {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.status, w.Body)
		}
	}
}
