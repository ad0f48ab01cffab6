package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
)

// TestSignUp fills in the form as people do, for a store of each plan, sees
// each step, and visits what has opened. There is nothing to complain about.
func TestSignUp(t *testing.T) {
	t.Parallel()
	h := place(t, pgtest.New(t, nil).URL, withShared)
	h.config.Logger = slog.New(slog.NewTextHandler(complaints{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h.serve(t, h.open(t))
	for plan, strategy := range map[tenant.Plan]tenant.Strategy{
		chain.Terraced: tenant.Shared, chain.SemiDetached: tenant.Schema, chain.Detached: tenant.Database,
	} {
		t.Run(string(plan), func(t *testing.T) {
			t.Parallel()
			slug := "my-" + string(plan)
			begun := h.join(t, url.Values{"slug": {slug}, "name": {"Mine"}, "plan": {string(plan)}})
			if begun.status != http.StatusSeeOther {
				t.Fatalf("%d:\n%s", begun.status, begun.body)
			}
			done := h.follow(t, begun.location)
			slices.Sort(done)
			if want := "activate cache certificate database domain seed storage tenant verify"; strings.Join(done, " ") != want {
				t.Errorf("done are %s, want %s", done, want)
			}
			page := h.ask(t, http.MethodGet, h.url(begun.location), "").body
			if !strings.Contains(page, `href="`+h.address(slug)+`"`) {
				t.Errorf("there is no way to the store from\n%s", page)
			}
			// Nodes learn of it within moments; this one is to know now.
			if _, err := h.chain.Tenants.Refresh(t.Context(), tenant.BySlug(slug)); err != nil {
				t.Fatal(err)
			}
			if page := get(t, h.address(slug)); !strings.Contains(page, "Edna Early") {
				t.Errorf("the store has sold nothing:\n%s", page)
			}
			var summary web.Summary
			if err := json.Unmarshal([]byte(get(t, h.address(slug)+"api/summary")), &summary); err != nil {
				t.Fatal(err)
			}
			if summary.Store != "Mine" || summary.Strategy != strategy || summary.Invoices != 1 || summary.Customers != 1 || summary.Total == 0 {
				t.Errorf("%+v", summary)
			}
		})
	}
}

// complaints fails a test for whatever is logged.
type complaints struct{ t *testing.T }

// Write implements io.Writer.
func (c complaints) Write(p []byte) (int, error) {
	c.t.Errorf("logged: %s", p)
	return len(p), nil
}

// TestSignUpRefuses asks for stores that are not to be had. The form comes back
// as it was filled in, and nothing is made.
func TestSignUpRefuses(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.New(t, nil).URL, withShared)
	for name, c := range map[string]struct {
		slug, plan string
		status     int
	}{
		"a slug that is taken": {"brazil", "terraced", http.StatusConflict},
		"no slug":              {"No Slug!", "terraced", http.StatusUnprocessableEntity},
		"no such plan":         {"castle", "castle", http.StatusUnprocessableEntity},
	} {
		answer := h.join(t, url.Values{"slug": {c.slug}, "name": {"Typed before"}, "plan": {c.plan}})
		if answer.status != c.status || !strings.Contains(answer.body, `value="Typed before"`) {
			t.Errorf("%s: %d, want %d:\n%s", name, answer.status, c.status, answer.body)
		}
	}
	if ops, err := h.chain.Engine.List(t.Context(), provisioning.Query{}); err != nil || len(ops) != 0 {
		t.Errorf("%v, %v", ops, err)
	}
}

// answer is what a visitor of the sign-up gets.
type answer struct {
	status         int
	location, body string
}

// url is a page of the chain's own.
func (h *house) url(path string) string { return "http://" + h.host() + path }

// ask sends a request as a browser would, except that it goes nowhere by itself.
func (h *house) ask(t *testing.T, method, address, form string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	got, err := toLoopback().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header.Get("Location"), string(body)}
}

// join opens the form, fills it in and sends it.
func (h *house) join(t *testing.T, form url.Values) answer {
	t.Helper()
	page := h.ask(t, http.MethodGet, h.url(web.PathSignUp), "").body
	key := regexp.MustCompile(`name="key" value="(\w+)"`).FindStringSubmatch(page)
	if key == nil {
		t.Fatalf("the form has no key:\n%s", page)
	}
	form.Set("key", key[1])
	return h.ask(t, http.MethodPost, h.url(web.PathSignUp), form.Encode())
}

// follow reads the events of a sign-up to their end, and returns the steps that
// were done.
func (h *house) follow(t *testing.T, path string) (done []string) {
	t.Helper()
	for line := range strings.Lines(h.ask(t, http.MethodGet, h.url(path)+"/events", "").body) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e signup.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if e.Type == provisioning.StepDone {
			done = append(done, e.Step)
		}
	}
	return done
}
