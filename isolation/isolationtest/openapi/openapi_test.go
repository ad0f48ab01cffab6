package openapi_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/partywall/partywall/isolation/isolationtest/openapi"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	routes, err := openapi.Routes(t.Context(), document)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /v1/orders?limit={limit|20}&after={after|}&since={since|2026-01-31}", "",
		"POST /v1/orders", `{"customer_id": {customer_id|1}, "items": [{"amount": {amount|1}, "sku": "{sku|A-1}"}], "note": "{note|text}", "urgent": {urgent|true}}`,
		"DELETE /v1/orders/{orders.id}", "",
		"GET /v1/orders/{orders.id}", "",
		"PUT /v1/orders/{orders.id}/state", "state={state|open}",
	}
	if len(routes) != len(want)/2 {
		t.Fatalf("got %v", routes)
	}
	for i, r := range routes {
		if r.String() != want[2*i] {
			t.Errorf("got %s, want %s", r, want[2*i])
		}
		if r.Body != want[2*i+1] {
			t.Errorf("%s: got %s, want %s", r, r.Body, want[2*i+1])
		}
	}
	if got := routes[2].Header.Get("If-Match"); got != "{If-Match|text}" {
		t.Errorf("If-Match is %q", got)
	}
	filled := strings.NewReplacer("{customer_id|1}", "1", "{amount|1}", "1", "{urgent|true}", "true").Replace(routes[1].Body)
	if !json.Valid([]byte(filled)) {
		t.Errorf("not JSON: %s", filled)
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "{", "openapi: 3.0.0", "[]",
		"openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {'200': {$ref: 'https://elsewhere.test/x.yaml'}}}}}",
		"openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {'200': {$ref: '/etc/passwd'}}}}}",
	} {
		if got, err := openapi.Routes(t.Context(), []byte(bad)); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}
