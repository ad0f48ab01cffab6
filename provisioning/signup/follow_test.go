package signup_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
)

func quietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestEventsResume comes back for what it has not seen.
func TestEventsResume(t *testing.T) {
	t.Parallel()
	h := build(t, func(_ *signup.Options, l *provisioning.Lifecycle) {
		made := make(chan struct{})
		close(made)
		l.Resources = map[string]provisioning.Resource{"storage": places{made}}
	})
	at := h.begin(t, "acme")
	close(h.hold)
	all, end := listen(t, at, 0).rest(t)
	if end == nil || len(end.Steps) != 8 || end.Steps[7].Name != "storage" || end.Steps[7].State != "done" { // one besides
		t.Errorf("%+v", end)
	}
	for _, seen := range []int{1, len(all) / 2, len(all) - 1, len(all), len(all) + 10} {
		events, end := listen(t, at, int64(seen)).rest(t)
		if len(events) != max(len(all)-seen, 0) || end == nil || !end.Succeeded() {
			t.Errorf("after %d of %d: %+v, %+v", seen, len(all), events, end)
		}
		if len(events) > 0 && events[0].Number != int64(seen+1) {
			t.Errorf("after %d: %+v", seen, events[0])
		}
	}
	for _, seen := range []string{"x", "-1", "99999999999999999999"} {
		if r := ask(t, http.MethodGet, at+"/events", "", "Last-Event-ID", seen); r.StatusCode != http.StatusBadRequest {
			t.Errorf("after %s: %d", seen, r.StatusCode)
		}
	}
	if r := ask(t, http.MethodHead, at+"/events", ""); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", r.StatusCode, r.Header)
	}
}

// TestEventsAreLive sees a step begin before it can be done, hears something
// though nothing happens, and lets no more follow than may.
func TestEventsAreLive(t *testing.T) {
	t.Parallel()
	h := build(t, func(o *signup.Options, _ *provisioning.Lifecycle) {
		o.Heartbeat, o.OperationFollowers, o.Followers = 5*time.Millisecond, 2, 3
	})
	at, other := h.begin(t, "acme"), h.begin(t, "globex")
	first, second := listen(t, at, 0), listen(t, at, 0)
	for {
		event, _ := first.next(t)
		if event == nil {
			t.Fatal("the server has hung up")
		}
		if event.Type == provisioning.StepBegun && event.Step == "database" {
			break
		}
	}
	if s := statusOf(t, at); s.Steps[1].State != "begun" || s.Steps[1].Took() != "" || s.Percent() != 100/7 {
		t.Errorf("%+v", s)
	}
	full := ask(t, http.MethodGet, at+"/events", "")
	if full.StatusCode != http.StatusServiceUnavailable || full.Header.Get("Retry-After") == "" {
		t.Errorf("a third: %d: %s", full.StatusCode, full.text)
	}
	listen(t, other, 0)
	if full := ask(t, http.MethodGet, other+"/events", ""); full.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a fourth in all: %d: %s", full.StatusCode, full.text)
	}
	for first.beats < 3 {
		if !first.Scan() {
			t.Fatal("the server has hung up")
		}
		if first.Text() == ":" {
			first.beats++
		}
	}
	close(h.hold)
	for _, l := range []*listener{first, second} {
		if _, end := l.rest(t); end == nil || !end.Succeeded() {
			t.Errorf("%+v", end)
		}
	}
	if _, end := listen(t, at, 0).rest(t); end == nil {
		t.Error("those who left still count")
	}
}

// TestCloseLetsGo shuts a server down while an operation is followed.
func TestCloseLetsGo(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	at := h.begin(t, "acme")
	server := httptest.NewServer(h.handler)
	defer server.Close()
	server.Config.RegisterOnShutdown(h.handler.Close)
	l := listen(t, server.URL+strings.TrimPrefix(at, h.at("")), 0)
	if event, _ := l.next(t); event == nil {
		t.Fatal("nothing was heard")
	}
	if err := server.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, end := l.rest(t); end != nil {
		t.Errorf("ended with %+v", end)
	}
	close(h.hold)
}

// TestFailureTellsNothing has a step fail with what the public must not read.
func TestFailureTellsNothing(t *testing.T) {
	t.Parallel()
	const secret = "no route to 10.0.0.7: hunter2"
	for name, message := range map[string]func(provisioning.Event) string{
		"closed": nil, "open": func(e provisioning.Event) string { return e.Message },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			h := build(t, func(o *signup.Options, l *provisioning.Lifecycle) {
				o.Message = message
				l.Verify = func(context.Context, tenant.Tenant) error {
					if tries++; tries == 1 {
						return errors.New(secret)
					}
					return provisioning.Fail(errors.New(secret))
				}
			})
			at := h.begin(t, "acme")
			close(h.hold)
			events, end := listen(t, at, 0).rest(t)
			var said, failed []string
			for _, event := range events {
				said = append(said, event.Message)
				if event.Type == provisioning.Failed {
					failed = append(failed, event.Step)
				}
			}
			if end == nil || end.State != provisioning.Undone || end.Failed != "verify" || end.Steps[5].State != "failed" || strings.Join(failed, " ") != "verify" {
				t.Errorf("%+v, %v", end, failed)
			}
			if strings.Contains(strings.Join(said, " "), secret) != (message != nil) {
				t.Errorf("said %q", said)
			}
			o, err := h.engine.Get(t.Context(), end.Operation)
			if err != nil {
				t.Fatal(err)
			}
			raw := ask(t, http.MethodGet, at+"/events", "").text
			page := ask(t, http.MethodGet, at, "", "Accept", "text/html")
			if message == nil {
				for _, hidden := range []string{secret, "hunter2", "worker-in-the-cellar", o.Tenant.String(), "eu-1", `:"` + signup.Actor + `"`, "token"} {
					if strings.Contains(raw, hidden) || strings.Contains(ask(t, http.MethodGet, at, "").text, hidden) || strings.Contains(page.text, hidden) {
						t.Errorf("%s is told", hidden)
					}
				}
			}
			if !strings.Contains(page.text, "It failed at the step “Last checks”.") || !strings.Contains(page.text, "Try again") {
				t.Errorf("%s", page.text)
			}
		})
	}
}

// TestSlowReader follows without reading, and is let go.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	id, err := provisioning.ParseID("01976a3e-5f00-7000-8000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	engine := &double{id: id, gone: make(chan struct{})}
	much := strings.Repeat("much ", 20_000)
	_, at := serve(t, engine, &signup.Options{
		WriteTimeout: 50 * time.Millisecond, Message: func(provisioning.Event) string { return much },
	})
	host, path, _ := strings.Cut(strings.TrimPrefix(at, "http://"), "/")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server has ended it
	if _, err := conn.Write([]byte("GET /" + path + "/" + id.String() + "/events HTTP/1.1\r\nHost: " + host + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-engine.gone:
	case <-t.Context().Done():
		t.Error("it is still waited for")
	}
}
