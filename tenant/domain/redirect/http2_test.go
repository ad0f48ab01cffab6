package redirect_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

// Over HTTP/2 the host is :authority, and the answer is the same.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(redirect.Handler(shop(), served()))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for host, want := range map[string]string{"old.example": "https://www.shop.example/x?y", "www.shop.example": "", "other.example": ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/x?y", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if got := resp.Header.Get("Location"); resp.ProtoMajor != 2 || got != want {
			t.Errorf("%s over %s leads to %q, want %q", host, resp.Proto, got, want)
		}
	}
}
