package tenant_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
)

// A spec with many mistakes tells all of them.
func TestSpecValidate(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"bad name": "x", "ok": "\x00"}
	for i := range tenant.MaxLabels {
		labels[fmt.Sprint("l", i)] = ""
	}
	spec := tenant.Spec{
		Number: -1, Slug: "Acme!", Name: "a\nb", Plan: "pro plan", Region: "-eu", Status: tenant.Deleted,
		Labels:    tenant.NewLabels(labels),
		Placement: tenant.Placement{Server: "a/b", Strategy: "odd", Schema: "x", Database: "y", Bucket: "\xff"},
	}
	err := spec.Validate()
	if !errors.Is(err, tenant.ErrInvalid) {
		t.Fatal(err)
	}
	for _, field := range []string{
		"number", "slug", "name", "plan", "region", "status", "labels", `label "bad name"`, "label ok",
		"server", "strategy", "schema", "database", "bucket",
	} {
		if !strings.Contains(err.Error(), "tenant: "+field+" ") {
			t.Errorf("nothing is said of the %s in:\n%v", field, err)
		}
	}
	if err := (tenant.Spec{Slug: "acme"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"Åse & Søn ApS":          true,
		"株式会社":                   true,
		"👩‍👩‍👧":                  true,
		strings.Repeat("x", 200): true,
		strings.Repeat("x", 201): false,
		"tab\t":                  false,
		"\u202eevil":             false,
		"\u2066evil":             false,
		"line\u2028":             false,
		"\xc3\x28":               false,
		"nul\x00":                false,
		"\u0085":                 false,
	} {
		err := tenant.Spec{Slug: "acme", Name: name}.Validate()
		if (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, good := range map[string]bool{
		"eu-1": true, "Pro_2.0": true, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
		"": false, "-a": false, ".a": false, "a b": false, "a/b": false, "ü": false, "a'": false,
	} {
		if err := tenant.ValidateName("server", name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestPlacementValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    tenant.Placement
		good bool
	}{
		{tenant.Placement{}, true},
		{tenant.Placement{Epoch: 7}, true},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}, true},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "t_1"}, true},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Database, Database: "t_1"}, true},
		{tenant.Placement{Server: "eu-1"}, false},
		{tenant.Placement{Strategy: tenant.Shared}, false},
		{tenant.Placement{Bucket: "b"}, false},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Schema}, false},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Database}, false},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Shared, Schema: "s"}, false},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: strings.Repeat("s", 64)}, false},
		{tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "a\x00b"}, false},
	} {
		if err := c.p.Validate(); (err == nil) != c.good {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
}
