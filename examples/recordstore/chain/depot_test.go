package chain

import (
	"cmp"
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
	if err := d.Create(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	shelf, err := d.Open(t.Context(), shared)
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
		bucket               string // in the path, if it is not the one signed for
	}{
		"as signed":      {"a", http.MethodGet, http.MethodGet, time.Minute, http.StatusOK, ""},
		"too late":       {"a", http.MethodGet, http.MethodGet, -time.Minute, http.StatusForbidden, ""},
		"another method": {"a", http.MethodGet, http.MethodHead, time.Minute, http.StatusForbidden, ""},
		"no such file":   {"b", http.MethodGet, http.MethodGet, time.Minute, http.StatusNotFound, ""},
		"another bucket": {"a", http.MethodGet, http.MethodGet, time.Minute, http.StatusForbidden, "others"},
		"a way out":      {"a", http.MethodGet, http.MethodGet, time.Minute, http.StatusForbidden, ".."},
	} {
		u, err := d.signer(shared).URLFromKey(t.Context(), c.file, &driver.SignedURLOptions{Method: c.signed, Expiry: c.life})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), c.method, u.String(), nil)
		r.SetPathValue("bucket", cmp.Or(c.bucket, shared))
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != c.status || c.status == http.StatusOK && w.Body.String() != "text" {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.status, w.Body)
		}
	}
}
