package tenant_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
)

func TestNormalizeSlug(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"acme": "acme", "ACME": "acme", "a": "a", "a-1": "a-1", "1a": "1a", "a--b": "a--b", "abc--d": "abc--d",
		strings.Repeat("a", 63):                "" + strings.Repeat("a", 63),
		"":                                     "",
		strings.Repeat("a", 64):                "",
		strings.Repeat("a", 1<<20):             "",
		"-a":                                   "",
		"a-":                                   "",
		"-":                                    "",
		"123":                                  "",
		"xn--80ak6aa92e":                       "",
		"XN--80ak6aa92e":                       "",
		"ab--c":                                "",
		"a.b":                                  "",
		"a_b":                                  "",
		"a b":                                  "",
		" a":                                   "",
		"a\x00":                                "",
		"a\n":                                  "",
		"ä":                                    "",
		"\u212aelvin":                          "", // the Kelvin sign lowers to k
		"a\u0301":                              "",
		"\xff":                                 "",
		"01976a3e-5f00-7000-8000-000000000000": "",
		"01976a3e-5f00-7000-8000-00000000000g": "01976a3e-5f00-7000-8000-00000000000g",
		"0197-a3e-5f00-7000-8000-000000000000": "0197-a3e-5f00-7000-8000-000000000000",
	} {
		got, err := tenant.NormalizeSlug(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("NormalizeSlug(%.40q) = %.40q, %v; want %.40q", in, got, err, want)
		}
		if err != nil && (!errors.Is(err, tenant.ErrInvalid) || len(err.Error()) > 400) {
			t.Errorf("NormalizeSlug(%.40q): error %v", in, err)
		}
	}
}

func TestReservedSlugs(t *testing.T) {
	t.Parallel()
	reserved := tenant.ReservedSlugs()
	for i, slug := range reserved {
		if err := tenant.ValidateSlug(slug); err != nil {
			t.Error(err)
		}
		if i > 0 && reserved[i-1] == slug {
			t.Errorf("%q is there twice", slug)
		}
	}
	for _, slug := range []string{"www", "admin", "api", "postmaster", "localhost", "wpad"} {
		if !slices.Contains(reserved, slug) {
			t.Errorf("%q is not reserved", slug)
		}
	}
}

// What NormalizeSlug accepts is a DNS label in one form, that can stand in a
// URL beside IDs.
func FuzzSlug(f *testing.F) {
	for _, seed := range []string{"acme", "ACME", "xn--a", "a--b", "-", "1", "\u212a", "01976a3e-5f00-7000-8000-000000000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		slug, err := tenant.NormalizeSlug(s)
		if err != nil {
			if slug != "" || !errors.Is(err, tenant.ErrInvalid) {
				t.Fatalf("%q, %v", slug, err)
			}
			return
		}
		again, err := tenant.NormalizeSlug(slug)
		if err != nil || again != slug || !strings.EqualFold(slug, s) || len(slug) > 63 {
			t.Fatalf("%q became %q and then %q, %v", s, slug, again, err)
		}
		if strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(slug, "xn--") {
			t.Fatalf("%q is no label", slug)
		}
		if _, err := tenant.ParseID(slug); err == nil {
			t.Fatalf("%q is an ID too", slug)
		}
	})
}
