package signup_test

import (
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
)

func TestProgramSignsUp(t *testing.T) {
	t.Parallel()
	h := build(t, func(o *signup.Options, _ *provisioning.Lifecycle) {
		o.Plans = []signup.Plan{{Name: "free"}, {Name: "pro"}}
		o.Location = func(slug string) string { return "https://" + slug + ".example.com/" }
	})
	r := h.post(t, `{"slug": "Blue-Note", "name": "Blue Note", "plan": "pro"}`)
	var started signup.Started
	if err := json.Unmarshal([]byte(r.text), &started); err != nil || r.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s: %v", r.StatusCode, r.text, err)
	}
	want := "/signup/" + started.Operation.String()
	if started.Status != want || started.Events != want+"/events" || r.Header.Get("Location") != want {
		t.Errorf("%s", r.text)
	}
	before := statusOf(t, h.at(started.Status))
	if before.Ended() || before.Location != "" || len(before.Steps) != 7 || before.Steps[6].State != "waiting" {
		t.Errorf("before: %+v", before)
	}
	l := listen(t, h.at(started.Status), 0)
	close(h.hold)
	events, end := l.rest(t)
	done := 0
	for i, event := range events {
		if event.Number != int64(i+1) || event.Message != "" || event.At.IsZero() {
			t.Errorf("event %d: %+v", i, event)
		}
		if event.Type == provisioning.StepDone {
			done++
		}
	}
	if done != 7 || end == nil || events[len(events)-1].Percent != 100 {
		t.Fatalf("%d steps done, %+v", done, events)
	}
	if got := statusOf(t, h.at(started.Status)); !got.Succeeded() || got.Slug != "blue-note" || got.Location != "https://blue-note.example.com/" ||
		got.Took() == "" || got.Percent() != 100 {
		t.Errorf("%+v", got)
	}
	who, err := h.tenants.Refresh(t.Context(), tenant.BySlug("blue-note"))
	if err != nil || who.Status != tenant.Active || who.Name != "Blue Note" || who.Plan != "pro" {
		t.Errorf("%+v, %v", who, err)
	}
}

// TestFormSignsUp does what a browser without scripts does.
func TestFormSignsUp(t *testing.T) {
	t.Parallel()
	h := build(t, func(o *signup.Options, _ *provisioning.Lifecycle) {
		o.Plans = []signup.Plan{{Name: "free", Title: "Free & easy"}}
		o.Location = func(slug string) string { return "https://" + slug + ".example.com/" }
	})
	page := ask(t, http.MethodGet, h.url, "")
	key := regexp.MustCompile(`name="key" value="(\w{20,})"`).FindStringSubmatch(page.text)
	if page.StatusCode != http.StatusOK || key == nil || !strings.Contains(page.text, "Free &amp; easy") {
		t.Fatalf("%d: %s", page.StatusCode, page.text)
	}
	form := url.Values{"key": {key[1]}, "slug": {"acme"}, "name": {`<script>alert("1")</script>`}, "plan": {"gold"}}
	browser := []string{"Content-Type", asForm, "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}
	wrong := ask(t, http.MethodPost, h.url, form.Encode(), browser...)
	if wrong.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(wrong.text, "The plan is not one that can be chosen.") ||
		strings.Contains(wrong.text, "<script>alert") || !strings.Contains(wrong.text, key[1]) {
		t.Errorf("%d: %s", wrong.StatusCode, wrong.text)
	}
	form.Set("plan", "free")
	first := ask(t, http.MethodPost, h.url, form.Encode(), browser...)
	again := ask(t, http.MethodPost, h.url, form.Encode(), browser...)
	at := first.Header.Get("Location")
	if first.StatusCode != http.StatusSeeOther || again.StatusCode != http.StatusSeeOther || again.Header.Get("Location") != at {
		t.Fatalf("%d to %s, and again %d to %s", first.StatusCode, at, again.StatusCode, again.Header.Get("Location"))
	}
	page = ask(t, http.MethodGet, h.at(at), "", "Accept", "text/html")
	for _, want := range []string{`http-equiv="refresh"`, `src="/signup/signup.js"`, `data-step="database"`, `data-events="` + at + `/events"`} {
		if !strings.Contains(page.text, want) {
			t.Errorf("%s is not in %s", want, page.text)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy is %s", policy)
	}
	if page.Header.Get("Referrer-Policy") != "same-origin" || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", page.Header)
	}
	close(h.hold)
	listen(t, h.at(at), 0).rest(t)
	page = ask(t, http.MethodGet, h.at(at), "", "Accept", "text/html")
	if !strings.Contains(page.text, `href="https://acme.example.com/"`) || strings.Contains(page.text, "refresh") || strings.Contains(page.text, "signup.js") {
		t.Errorf("%s", page.text)
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	_, at := serve(t, &double{}, nil)
	for name, kind := range map[string]string{"signup.js": "text/javascript", "signup.css": "text/css"} {
		r := ask(t, http.MethodGet, at+"/"+name, "")
		if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) || len(r.text) < 500 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Header.Get("Content-Type"))
		}
		if r = ask(t, http.MethodGet, at+"/"+name, "", "If-None-Match", r.Header.Get("ETag")); r.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
}

// TestOneSlug has many ask for one slug at the same moment.
func TestOneSlug(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	close(h.hold)
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			r := h.post(t, `{"slug": "acme"}`)
			if r.StatusCode == http.StatusConflict {
				if p := r.problem(t); p.Of("slug") != "is taken" {
					t.Errorf("%+v", p)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			answers[r.StatusCode]++
		})
	}
	all.Wait()
	if answers[http.StatusAccepted] != 1 || answers[http.StatusConflict] != 9 {
		t.Errorf("%v", answers)
	}
}

// TestReplays sends one request many times, with its key.
func TestReplays(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	close(h.hold)
	const key = `"0123456789abcdef"`
	var mu sync.Mutex
	seen := map[string]bool{}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			r := h.post(t, `{"slug": "acme"}`, "Idempotency-Key", key)
			mu.Lock()
			defer mu.Unlock()
			seen[r.Header.Get("Location")] = true
			if r.StatusCode != http.StatusAccepted {
				t.Errorf("%d: %s", r.StatusCode, r.text)
			}
		})
	}
	all.Wait()
	if len(seen) != 1 {
		t.Errorf("%v", seen)
	}
	if r := h.post(t, `{"slug": "acme", "key": "0123456789abcdef"}`); !seen[r.Header.Get("Location")] {
		t.Errorf("as a field: %d: %s", r.StatusCode, r.text)
	}
	if r := h.post(t, `{"slug": "globex"}`, "Idempotency-Key", key); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("with another slug: %d: %s", r.StatusCode, r.text)
	}
	if r := h.post(t, `{"slug": "acme"}`, "Idempotency-Key", "another-key-of-16"); r.StatusCode != http.StatusConflict {
		t.Errorf("with another key: %d: %s", r.StatusCode, r.text)
	}
}

// TestOthersOperations asks for operations that are nobody's business, which
// have to look like those that do not exist.
func TestOthersOperations(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	close(h.hold)
	other, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme"}, &provisioning.Request{Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	born, err := other.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	removal, err := h.engine.Remove(t.Context(), born.Tenant, 0, &provisioning.Request{Actor: signup.Actor})
	if err != nil {
		t.Fatal(err)
	}
	unknown := ask(t, http.MethodGet, h.url+"/01976a3e-5f00-7000-8000-000000000000", "")
	if unknown.StatusCode != http.StatusNotFound {
		t.Fatalf("%d: %s", unknown.StatusCode, unknown.text)
	}
	unknown.problem(t)
	for _, name := range []string{other.ID().String(), removal.ID().String(), "7", "signup.map", "%00", strings.Repeat("a", 5000)} {
		for _, end := range []string{"", "/events"} {
			r := ask(t, http.MethodGet, h.url+"/"+name+end, "")
			if r.StatusCode != unknown.StatusCode || r.text != unknown.text {
				t.Errorf("%.40s%s: %d: %s", name, end, r.StatusCode, r.text)
			}
		}
	}
	if r := ask(t, http.MethodGet, h.url+"/7", "", "Accept", "text/html"); r.StatusCode != http.StatusNotFound || !strings.Contains(r.text, "no such sign-up") {
		t.Errorf("%d: %s", r.StatusCode, r.text)
	}
}

// TestOwnPage has a host show its own page, and one that does not work.
func TestOwnPage(t *testing.T) {
	t.Parallel()
	own := template.Must(template.New("").Parse(`{{if .Status}}{{range .Status.Steps}}[{{.Title}} {{.State}}]{{end}}{{else}}{{.Prefix}} {{.Form.Fields.email}} {{.Problem.Of "slug"}}{{end}}`))
	id, err := provisioning.ParseID("01976a3e-5f00-7000-8000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	_, at := serve(t, &double{id: id}, &signup.Options{
		Page: own, Policy: "default-src 'self'", Steps: []signup.Step{{Name: "tenant", Title: "Your shop"}, {Name: "seed"}},
	})
	r := ask(t, http.MethodGet, at+"/"+id.String(), "", "Accept", "text/html")
	if r.text != "[Your shop waiting][seed waiting]" || r.Header.Get("Content-Security-Policy") != "default-src 'self'" {
		t.Errorf("%s: %s", r.Header.Get("Content-Security-Policy"), r.text)
	}
	r = ask(t, http.MethodPost, at, "slug=-&email=ann%40example.com", "Content-Type", asForm)
	if want := "/signup ann@example.com begins or ends with &#39;-&#39;"; r.text != want {
		t.Errorf("%s", r.text)
	}
	_, at = serve(t, &double{}, &signup.Options{Page: template.Must(template.New("").Parse(`half {{.Nothing}}`)), Logger: quietLogger()})
	if r := ask(t, http.MethodGet, at, ""); r.StatusCode != http.StatusInternalServerError || strings.Contains(r.text, "half") {
		t.Errorf("%d: %s", r.StatusCode, r.text)
	}
}
