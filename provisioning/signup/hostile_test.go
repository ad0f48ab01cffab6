package signup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
)

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	var asked tenant.Spec
	_, at := serve(t, &double{last: &asked}, &signup.Options{Burst: 1000, TotalBurst: 1000, Plans: []signup.Plan{{Name: "free"}}})
	const right = `{"slug": "acme", "plan": "free"}`
	for name, c := range map[string]struct {
		body    string
		status  int
		headers []string
	}{
		"right":             {right, 202, []string{"Content-Type", "application/json; charset=utf-8"}},
		"other fields":      {`{"slug": "acme", "plan": "free", "email": "a@example.com"}`, 202, nil},
		"no type":           {right, 415, []string{"Content-Type", ""}},
		"text":              {right, 415, []string{"Content-Type", "text/plain"}},
		"multipart":         {right, 415, []string{"Content-Type", "multipart/form-data; boundary=x"}},
		"too large":         {`{"slug": "` + strings.Repeat("a", 20000) + `"}`, 413, nil},
		"slug too long":     {`{"slug": "` + strings.Repeat("a", 64) + `", "plan": "free"}`, 422, nil},
		"no slug":           {`{"plan": "free"}`, 422, nil},
		"script":            {`{"slug": "<script>", "plan": "free"}`, 422, nil},
		"name":              {`{"slug": "acme", "plan": "free", "name": "a\u0000b"}`, 422, nil},
		"long name":         {`{"slug": "acme", "plan": "free", "name": "` + strings.Repeat("n", 201) + `"}`, 422, nil},
		"reversed name":     {`{"slug": "acme", "plan": "free", "name": "\u202eabc"}`, 422, nil},
		"plan not open":     {`{"slug": "acme", "plan": "internal"}`, 422, nil},
		"no plan":           {`{"slug": "acme"}`, 422, nil},
		"empty":             {``, 400, nil},
		"half":              {`{"slug": "acme"`, 400, nil},
		"array":             {`["acme"]`, 400, nil},
		"number":            {`{"slug": 7}`, 400, nil},
		"nested":            {`{"slug": {"a": "b"}}`, 400, nil},
		"deep":              {`{"slug": ` + strings.Repeat("[", 10000), 400, nil},
		"twice":             {`{"slug": "acme", "plan": "free", "slug": "globex"}`, 400, nil},
		"two objects":       {right + `{}`, 400, nil},
		"garbage after":     {right + `]`, 400, nil},
		"many fields":       {`{"slug": "acme"` + manyFields(40) + `}`, 400, nil},
		"short key":         {right, 400, []string{"Idempotency-Key", "7"}},
		"long key":          {right, 400, []string{"Idempotency-Key", strings.Repeat("k", 201)}},
		"key with space":    {right, 400, []string{"Idempotency-Key", "0123456789 abcdef"}},
		"two keys":          {right, 400, []string{"Idempotency-Key", "0123456789abcdef", "Idempotency-Key", "0123456789abcdeg"}},
		"another site":      {right, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		"a sibling":         {right, 403, []string{"Sec-Fetch-Site", "same-site"}},
		"another origin":    {right, 403, []string{"Origin", "https://evil.example"}},
		"no origin at all":  {right, 403, []string{"Origin", "null"}},
		"form: twice":       {"slug=acme&slug=globex", 400, []string{"Content-Type", asForm}},
		"form: escape":      {"slug=%zz", 400, []string{"Content-Type", asForm}},
		"form: semicolon":   {"slug=acme;plan=free", 400, []string{"Content-Type", asForm}},
		"form: too large":   {"slug=" + strings.Repeat("a", 20000), 413, []string{"Content-Type", asForm}},
		"form: wrong":       {"slug=a_b&plan=free&name=%ff", 422, []string{"Content-Type", asForm}},
		"form: other site":  {"slug=acme&plan=free", 403, []string{"Content-Type", asForm, "Sec-Fetch-Site", "cross-site"}},
		"form: right":       {"slug=acme&plan=free", 303, []string{"Content-Type", asForm, "Sec-Fetch-Site", "same-origin"}},
		"form: typed by it": {"slug=acme&plan=free", 303, []string{"Content-Type", asForm, "Sec-Fetch-Site", "none"}},
	} {
		headers := c.headers
		if !strings.Contains(strings.Join(headers, " "), "Content-Type") {
			headers = append([]string{"Content-Type", asJSON}, headers...)
		}
		asked = tenant.Spec{}
		r := ask(t, http.MethodPost, at, c.body, headers...)
		if r.StatusCode != c.status {
			t.Errorf("%s: %d: %s", name, r.StatusCode, r.text)
		}
		if page := strings.HasPrefix(r.Header.Get("Content-Type"), "text/html"); c.status >= 400 && !page {
			r.problem(t)
		} else if c.status != 303 && page != strings.Contains(strings.Join(headers, " "), asForm) {
			t.Errorf("%s: %s", name, r.Header.Get("Content-Type"))
		}
		if c.status >= 400 && c.status != 422 && asked.Slug != "" {
			t.Errorf("%s: the engine was asked for %+v", name, asked)
		}
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `, "f%d": "x"`, i)
	}
	return b.String()
}

// TestErrorsAreTold has the engine and the host fail in ways that the client is
// to hear of, and in ways that it is not.
func TestErrorsAreTold(t *testing.T) {
	t.Parallel()
	const secret = "password=hunter2"
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@"+closed.Addr().String()+"/nothing?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	_, down := pool.Exec(t.Context(), `SELECT 1`)
	for want, err := range map[int]error{
		409: fmt.Errorf("%s: %w", secret, tenant.ErrSlugTaken),
		422: fmt.Errorf("%s: %w", secret, errors.Join(&tenant.InvalidError{Field: "slug", Value: secret, Rule: "is reserved"})),
		500: errors.New(secret),
		503: fmt.Errorf("%s: %w", secret, down),
	} {
		o := &signup.Options{Logger: quietLogger()}
		_, at := serve(t, &double{err: err}, o)
		r := ask(t, http.MethodPost, at, `{"slug": "acme"}`, "Content-Type", asJSON)
		if p := r.problem(t); p.Status != want || strings.Contains(r.text, secret) {
			t.Errorf("%v: %s", err, r.text)
		}
		if wait := r.Header.Get("Retry-After"); (wait != "") != (want == 503) {
			t.Errorf("%v: Retry-After is %q", err, wait)
		}
		o.Spec = func(context.Context, signup.Form) (tenant.Spec, error) { return tenant.Spec{}, err }
		_, at = serve(t, &double{}, o)
		if p := ask(t, http.MethodPost, at, `{"slug": "acme"}`, "Content-Type", asJSON).problem(t); p.Status != want {
			t.Errorf("%v of the host: %+v", err, p)
		}
	}
}

func TestTooFast(t *testing.T) {
	t.Parallel()
	// Two of three clients share a bucket once in 2,700 times, and not twice in a row.
	if err := tooFast(t.Context()); err != nil {
		if err = tooFast(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// tooFast has clients ask a handler more often than they may.
func tooFast(ctx context.Context) error {
	h, err := signup.New(&double{}, &signup.Options{Burst: 2, Every: time.Hour, TotalBurst: 5, TotalEvery: time.Hour})
	if err != nil {
		return err
	}
	from := func(address, kind string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/signup", strings.NewReader(`{"slug": "acme"}`))
		r.RemoteAddr = address
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for i, c := range []struct {
		address string
		status  int
	}{
		{"192.0.2.1:1000", 202},
		{"192.0.2.1:1001", 202},
		{"192.0.2.1:1002", 429},
		{"[::ffff:192.0.2.1]:1003", 429},
		{"[2001:db8::1]:1000", 202},
		{"[2001:db8::2]:1000", 202},
		{"[2001:db8::3]:1000", 429},
		{"[2001:db8:0:1::1]:1000", 202},
		{"198.51.100.1:1000", 429}, // all together
	} {
		w := from(c.address, asJSON)
		if w.Code != c.status || (w.Header().Get("Retry-After") != "") != (c.status == 429) {
			return fmt.Errorf("%d: %s: %d after %q", i, c.address, w.Code, w.Header().Get("Retry-After"))
		}
	}
	if w := from("192.0.2.1:1004", asForm); w.Code != 429 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "too many requests") {
		return fmt.Errorf("%d: %s", w.Code, w.Body)
	}
	return nil
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*signup.Options{
		"relative prefix": {Prefix: "signup"}, "root": {Prefix: "/"}, "slash at the end": {Prefix: "/a/"}, "pattern": {Prefix: "/{a}"},
		"plan": {Plans: []signup.Plan{{Name: "a b"}}}, "limit": {Burst: -1}, "origin": {TrustedOrigins: []string{"example.com"}},
	} {
		if _, err := signup.New(&double{}, o); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if _, err := signup.New(nil, nil); err == nil {
		t.Error("no engine: it was taken")
	}
	h, at := serve(t, &double{}, &signup.Options{TrustedOrigins: []string{"https://www.example.com"}})
	if r := ask(t, http.MethodPost, at, `{"slug": "acme"}`, "Content-Type", asJSON, "Origin", "https://www.example.com"); r.StatusCode != http.StatusAccepted || h == nil {
		t.Errorf("%d: %s", r.StatusCode, r.text)
	}
}

// FuzzRequests wants a client's own mistakes to be told as such, whatever it
// sends.
func FuzzRequests(f *testing.F) {
	h, err := signup.New(&double{}, &signup.Options{Burst: 1 << 30, TotalBurst: 1 << 30})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(asJSON, `{"slug": "acme"}`, "0123456789abcdef")
	f.Add(asForm, "slug=acme&name=%00", "")
	f.Add("text/plain; =", "\xff", "\x7f")
	f.Fuzz(func(t *testing.T, kind, body, key string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signup", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if text, err := io.ReadAll(w.Body); err != nil || w.Code >= 500 || w.Code == 200 {
			t.Errorf("%d: %s", w.Code, text)
		}
	})
}
