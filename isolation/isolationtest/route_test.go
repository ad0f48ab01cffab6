package isolationtest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestRoutesOfAllRouters(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"/orders":                             "GET /orders",
		"GET /orders/{id}":                    "GET /orders/{orders.id}",
		"DELETE /orders/{id}/lines/{line}":    "DELETE /orders/{orders.id}/lines/{line}",
		"GET shop.test/files/{path...}":       "GET /files/{path}",
		"GET /{$}":                            "GET /",
		"PUT /orders/{id:[0-9]{1,9}}":         "PUT /orders/{orders.id}",
		"GET /orders/:id/lines":               "GET /orders/{orders.id}/lines",
		"GET /static/*rest":                   "GET /static/{rest}",
		"GET /chi/*":                          "GET /chi/*",
		"GET /a:b/{org_id}":                   "GET /a:b/{org_id}",
		"GET /orders?after={order|}&n={n|20}": "GET /orders?after={order|}&n={n|20}",
		"GET /at/{when|12:30}":                "GET /at/{when|12:30}",
		"GET /open{":                          "GET /open{",
		"GET /{ID}":                           "GET /{ID}",
		"GET /t/{tenant}/orders/{order}/{id}": "GET /t/{tenant}/orders/{order}/{id}",
		"POST /v1/customers/{id}/addresses":   "POST /v1/customers/{customers.id}/addresses",
		"  GET   /spaces ":                    "GET /spaces",
	} {
		if got := Routes(pattern)[0].String(); got != want {
			t.Errorf("%q: got %q, want %q", pattern, got, want)
		}
	}
}

func TestRouteIsFilled(t *testing.T) {
	t.Parallel()
	ids := map[string]string{"order": "a/b c", "none": ""}
	for path, want := range map[string]string{
		"/orders/{order}":           "/orders/a/b%20c",
		"/orders?of={order}":        "/orders?of=a%2Fb+c",
		"/orders?of={who|}&x=1":     "/orders?x=1",
		"/orders?of={who|}":         "/orders",
		"/orders?flag=&of={who|me}": "/orders?flag=&of=me",
		"/{unknown}/{none}":         "/{unknown}/",
	} {
		if got := (Route{Path: path}).url(ids); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	body := fill(`{"a": {"b": "{order}", "c": {n|7}, "d": {}, "{unknown}": 1}`, with(ids, asIs))
	if want := `{"a": {"b": "a/b c", "c": 7, "d": {}, "{unknown}": 1}`; body != want {
		t.Errorf("got %s, want %s", body, want)
	}
	r := Route{Path: "/{order}/{far}", Header: http.Header{"X-Of": {"{who}"}}, Body: `{"near": "{near}", "none": "{none}"}`}
	if got := r.parameters(ids); !slices.Equal(got, []string{"order", "far", "who", "none"}) {
		t.Errorf("got %v", got)
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add("GET /orders/{id:[0-9]{1,9}}?a={b|c}", "x{y")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		r := Routes(pattern)[0]
		names := r.parameters(nil)
		ids := map[string]string{}
		for _, n := range names {
			ids[n] = value
		}
		_ = r.url(ids)
		if err := r.missing(&Tenant{Name: "t", IDs: ids}); err != nil && value != "" {
			t.Errorf("%q: %v", pattern, err)
		}
	})
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"17", "1234567890123", "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3", "ord_Ab3x", "01J9ZQ4T"} {
		got := like(id)
		switch {
		case got == id:
			t.Errorf("%s is like itself", id)
		case len(id) > 2 && len(got) != len(id):
			t.Errorf("%s became %s", id, got)
		case len(id) == uuidLength && (got[versionAt] != '7' || got[variantAt] != '8' || strings.ToLower(got) != got):
			t.Errorf("%s became %s, another kind of UUID", id, got)
		}
	}
}

func TestCanaryInAllSpellings(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"canary0123456789", `Jo "the" <Übel> & Sohn/2`} {
		c := newCanary(text)
		for _, spelled := range append(slices.Concat(c.spelled, base64s(text)), strings.ToUpper(text)) {
			if !c.in("… " + spelled + " …") {
				t.Errorf("%q is not seen in %q", text, spelled)
			}
		}
		if c.in(text[:len(text)-3]) || newCanary(mint()).in(text) {
			t.Errorf("%q is seen where it is not", text)
		}
	}
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	var heard []string
	rec := &Recorder{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text := new(strings.Builder)
		_ = r.Write(text)
		heard = append(heard, text.String())
	})}
	send := func(method, target, body string) {
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer secret")
		rec.ServeHTTP(httptest.NewRecorder(), r)
	}
	send("GET", "/orders/17?page=17", "")
	send("GET", "/orders/17?page=17", "")
	send("POST", "/orders/171", `{"order": 17, "n": 170, "ref": "17"}`)
	send("PUT", "/big", strings.Repeat("x", maxRecorded+1))
	if len(heard) != 4 || !strings.Contains(heard[2], `"n": 170`) || len(heard[3]) < maxRecorded {
		t.Errorf("the handler heard %d requests", len(heard))
	}
	got := rec.Routes(map[string]string{"order": "17"})
	if len(got) != 2 || got[0].String() != "GET /orders/{order}?page={order}" || got[1].Path != "/orders/171" ||
		got[1].Body != `{"order": {order}, "n": 170, "ref": "{order}"}` {
		t.Errorf("got %v", got)
	}
	if got[0].Header.Get("Authorization") != "" || got[0].Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %v", got[0].Header)
	}
}

func TestHAR(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/shop.har")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := HAR(f, "acme.shop.test", map[string]string{"order": "17"})
	if err != nil || len(got) != 2 || got[0].String() != "GET /orders/{order}" || got[1].String() != "POST /orders" || got[1].Body != `{"item": "anvil"}` {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "[]", `{"log": {"entries": [{"request": {"method": "GET", "url": "https://elsewhere.test/"}}]}}`, `{"log": {"entries": [{"request": {"url": ":"}}]}}`} {
		if _, err := HAR(strings.NewReader(bad), "acme.shop.test", nil); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
