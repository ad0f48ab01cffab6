package httptenant_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// located is a host that sends clients elsewhere in every way there is, and
// knows nothing of prefixes.
func located() *http.ServeMux {
	mux := http.NewServeMux()
	to := func(location string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusSeeOther)
		}
	}
	mux.HandleFunc("/orders/", whoami)
	mux.HandleFunc("/relative", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "next", http.StatusFound) })
	mux.HandleFunc("/made", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/made/7")
		fmt.Fprint(w, "without a status of its own")
	})
	mux.HandleFunc("/flushed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/made/7")
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
	})
	mux.HandleFunc("/hinted", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Location", "/next")
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.HandleFunc("/twice", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{"/a", "/b"}
		w.WriteHeader(http.StatusSeeOther)
	})
	for path, location := range map[string]string{
		"/root": "/", "/path": "/next?to=/x#y", "/prefixed": "/t/acme/next", "/prefix": "/t/acme", "/other": "/t/acmeother/next",
		"/whole": "https://myapp.com/login", "/scheme": "//myapp.com/login", "/dot": "./next", "/empty": "", "/query": "?page=2",
	} {
		mux.HandleFunc(path, to(location))
	}
	mux.Handle("/pay", httptenant.Serve(to("/done"), tenant.Suspended))
	mux.Handle("/open", httptenant.Public(to("/welcome")))
	return mux
}

// A handler that does not see the prefix cannot write it; where it sends the
// client to is within the tenant all the same.
func TestLocationKeepsPrefix(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.PathPrefix("/t/"), nil).Wrap(located())
	for target, location := range map[string]string{
		"/t/acme/orders":     "/t/acme/orders/", // by ServeMux
		"/t/acme/orders?a=b": "/t/acme/orders/?a=b",
		"/t/acme/relative":   "/t/acme/next", // by http.Redirect
		"/t/acme/root":       "/t/acme/",
		"/t/acme/path":       "/t/acme/next?to=/x#y",
		"/t/acme/prefixed":   "/t/acme/next", // a handler that knows its prefix
		"/t/acme/prefix":     "/t/acme",
		"/t/acme/other":      "/t/acme/t/acmeother/next", // the name must end there
		"/t/acme/whole":      "https://myapp.com/login",  // the way out
		"/t/acme/scheme":     "//myapp.com/login",
		"/t/acme/dot":        "./next", // the client resolves these
		"/t/acme/query":      "?page=2",
		"/t/acme/empty":      "",
		"/t/acme/made":       "/t/acme/made/7",
		"/t/acme/flushed":    "/t/acme/made/7",
		"/t/acme/twice":      "/t/acme/a",
		"/t/unpaid/pay":      "/t/unpaid/done",
		"/t/acme/open":       "/t/acme/welcome",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			if got := get(h, target).Result().Header.Get("Location"); got != location {
				t.Errorf("Location is %q, want %q", got, location)
			}
		})
	}
	if got := get(h, "/t/acme/orders/7"); got.Body.String() != "acme /orders/7" {
		t.Errorf("got %d %q", got.Code, got.Body)
	}
	// Without a prefix nothing is touched.
	plain := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(located())
	if got := get(plain, "http://acme.myapp.com/path").Header().Get("Location"); got != "/next?to=/x#y" {
		t.Errorf("Location is %q", got)
	}
}

// Early hints are no answer yet: what is sent after them counts.
func TestLocationAfterEarlyHints(t *testing.T) {
	t.Parallel()
	addr := listen(t, newEdge(t, newCatalog(), httptenant.PathPrefix("/t/"), nil).Wrap(located()))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get("http://" + addr + "/t/acme/hinted") //nolint:noctx // ends with the server
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("Location"); got != "/t/acme/next" {
		t.Errorf("Location is %q", got)
	}
	client.CloseIdleConnections()
}

// What a handler can do with its response it can do behind an Edge, in the old
// way, by type assertion, and in the new one.
func TestResponseWriterKeepsItsAbilities(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]httptenant.Resolver{
		"path": httptenant.PathPrefix("/t/"), "token": httptenant.Claim(func(*http.Request) (string, error) { return "acme", nil }),
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "first ")
			w.(http.Flusher).Flush() //nolint:forcetypeassert // what is tested
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, "second")
		})
		mux.HandleFunc("/copy", func(w http.ResponseWriter, _ *http.Request) {
			n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("copied")) //nolint:forcetypeassert // the same
			if n != 6 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
		hijack := func(open func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := open(w)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
				_ = rw.Flush()
				line, _ := rw.ReadString('\n')
				fmt.Fprint(rw, line)
				_ = rw.Flush()
			}
		}
		mux.HandleFunc("/old", hijack(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return w.(http.Hijacker).Hijack() //nolint:forcetypeassert // the same
		}))
		mux.HandleFunc("/new", hijack(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		}))
		addr := listen(t, newEdge(t, newCatalog(), resolver, nil).Wrap(mux))
		prefix := map[string]string{"path": "/t/acme"}[name]
		for path, body := range map[string]string{"/flush": "first second", "/copy": "copied"} {
			if status, got := send(t, addr, "GET "+prefix+path+" HTTP/1.1", "Host: x"); status != 200 || got != body {
				t.Errorf("%s %s: %d %q", name, path, status, got)
			}
		}
		for _, path := range []string{"/old", "/new"} {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET %s%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", prefix, path)
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil) //nolint:bodyclose // there is none after 101
			if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%s %s: %+v, %v", name, path, resp, err)
			}
			fmt.Fprint(conn, "hello\n")
			if line, err := r.ReadString('\n'); line != "hello\n" {
				t.Errorf("%s %s: %q, %v", name, path, line, err)
			}
			_ = conn.Close()
		}
	}
}
