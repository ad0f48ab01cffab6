package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
)

// TestServeDomains runs the command with -tls, asks a store's own domain over
// HTTPS as the greeting says, and brings another domain on the store's page.
func TestServeDomains(t *testing.T) {
	t.Parallel()
	getenv := environment(t, pgtest.New(t, nil).URL)
	s := start(t, getenv, "-tls", "-addr", "127.0.0.1:0")
	for _, want := range []string{
		`(?m)^www\.flip-side\.test: Waiting to be proven yours\.$`,
		`(?m)^  add: _partywall-challenge\.www\.flip-side\.test\. IN TXT "\w+"$`,
		`(?m)^  add: www\.flip-side\.test\. IN CNAME \w+\.edge\.recordstore\.test$`,
		`(?m)^  The records were added: proven after \d+ ms, with a certificate after \d+ ms\.$`,
	} {
		if !regexp.MustCompile(want).MatchString(s.greeting) {
			t.Errorf("the greeting does not match %s:\n%s", want, s.greeting)
		}
	}
	v := newVisitor(t, s.greeting)
	if status, body := v.get(t, "https://www.flip-side.test/api/summary"); status != 200 || !strings.Contains(body, `"invoices"`) {
		t.Errorf("a store's own domain: %d %s", status, body)
	}
	if status, body := v.get(t, "https://www.flip-side.test/"); status != 200 || !strings.Contains(body, "Flip Side") {
		t.Errorf("a store's own domain: %d %s", status, body)
	}
	if status, _ := v.get(t, "https://blue-note.localhost/"); status != 200 {
		t.Errorf("a store's subdomain over HTTPS: %d", status)
	}

	page := regexp.MustCompile(`http://flip-side\.localhost:\d+/domains`).FindString(s.greeting)
	post := func(action, host string) string {
		t.Helper()
		status, body := v.post(t, page+"/"+action, url.Values{"host": {host}})
		if status != 200 {
			t.Fatalf("%s %s: %d %s", action, host, status, body)
		}
		return html.UnescapeString(body)
	}
	if body := post("claim", "localhost"); !strings.Contains(body, `host "localhost" has one label only`) {
		t.Errorf("a claim of what cannot be is answered with\n%s", body)
	}
	body := post("claim", "flip-side.test")
	if !strings.Contains(body, "_partywall-challenge.flip-side.test") {
		t.Errorf("no instructions:\n%s", body)
	}
	post("records", "flip-side.test")
	looks, late := time.NewTicker(50*time.Millisecond), time.After(time.Minute)
	defer looks.Stop()
	for !strings.Contains(body, "resolve flip-side.test:") {
		select {
		case <-looks.C:
		case <-late:
			t.Fatalf("never active:\n%s", body)
		}
		_, body = v.get(t, page)
	}
	if body := post("primary", "flip-side.test"); strings.Count(body, ">primary<") != 1 {
		t.Errorf("not the primary one:\n%s", body)
	}
	if status, body := v.get(t, "https://flip-side.test/"); status != 200 || !strings.Contains(body, "Flip Side") {
		t.Errorf("%d %s", status, body)
	}
	post("release", "www.flip-side.test")
	s.interrupt()
	if _, err := io.Copy(io.Discard, s.rest); err != nil {
		t.Error(err)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("files are left behind: %v, %v", left, err)
	}
}

// visitor is a browser that trusts the program's authority, and finds all hosts
// where the greeting says.
type visitor struct{ client *http.Client }

func newVisitor(t *testing.T, greeting string) *visitor {
	t.Helper()
	command := regexp.MustCompile(`curl --cacert (\S+) --resolve [^:]+:(\d+):127\.0\.0\.1`).FindStringSubmatch(greeting)
	if command == nil {
		t.Fatalf("no command in\n%s", greeting)
	}
	pem, err := os.ReadFile(command[1])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the file of the authority has no certificate")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if port == "443" {
				port = command[2]
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{Transport: transport, Jar: jar}}
}

func (v *visitor) get(t *testing.T, target string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v.do(t, r)
}

func (v *visitor) post(t *testing.T, target string, form url.Values) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(t, r)
}

func (v *visitor) do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	response, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
