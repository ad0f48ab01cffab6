package tenanttest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
)

// walk returns the slugs of all pages.
func walk(t *testing.T, s tenant.Store, q tenant.Query, between func()) []string {
	t.Helper()
	var slugs []string
	last := int64(0)
	for {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatalf("List(%+v): %v", q, err)
		}
		if len(page.Tenants) > q.PageSize() {
			t.Fatalf("a page of %d, want at most %d", len(page.Tenants), q.PageSize())
		}
		for _, found := range page.Tenants {
			if found.Number <= last {
				t.Fatalf("number %d after %d", found.Number, last)
			}
			last = found.Number
			slugs = append(slugs, found.Slug)
		}
		if page.Next == "" {
			return slugs
		}
		q.Cursor = page.Next
		if between != nil {
			between()
		}
	}
}

func testListFilters(t *testing.T, s tenant.Store) {
	if page, err := s.List(t.Context(), tenant.Query{}); err != nil || len(page.Tenants) != 0 || page.Next != "" {
		t.Errorf("an empty store lists %+v, %v", page, err)
	}
	for i, slug := range []string{"ab", "abc", "b-c", "zz"} {
		given := draft(slug)
		given.Plan = []tenant.Plan{"pro", "free"}[i%2]
		given.Region = []tenant.Region{"eu", "us"}[i/2]
		given.Status = []tenant.Status{tenant.Active, tenant.Pending, tenant.Suspended, tenant.Deleted}[i]
		given.Placement.Server = fmt.Sprintf("server-%d", i)
		if i == 3 {
			given.Placement.Strategy, given.Placement.Schema = tenant.Schema, "zz"
		}
		if _, err := s.Create(t.Context(), given); err != nil {
			t.Fatal(err)
		}
	}
	label := func(pairs ...string) tenant.Labels {
		m := make(map[string]string)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return tenant.NewLabels(m)
	}
	for name, c := range map[string]struct {
		q    tenant.Query
		want string
	}{
		"all":           {tenant.Query{}, "ab abc b-c zz"},
		"plan":          {tenant.Query{Plan: "pro"}, "ab b-c"},
		"region":        {tenant.Query{Region: "us"}, "b-c zz"},
		"status":        {tenant.Query{Status: []tenant.Status{tenant.Active}}, "ab"},
		"statuses":      {tenant.Query{Status: []tenant.Status{tenant.Deleted, tenant.Pending}}, "abc zz"},
		"server":        {tenant.Query{Server: "server-2"}, "b-c"},
		"strategy":      {tenant.Query{Strategy: tenant.Schema}, "zz"},
		"prefix":        {tenant.Query{SlugPrefix: "ab"}, "ab abc"},
		"prefix -":      {tenant.Query{SlugPrefix: "b-"}, "b-c"},
		"prefix z":      {tenant.Query{SlugPrefix: "z"}, "zz"},
		"label":         {tenant.Query{Labels: label("owner", "ab")}, "ab"},
		"labels":        {tenant.Query{Labels: label("owner", "zz", "tier", "1")}, "zz"},
		"label value":   {tenant.Query{Labels: label("tier", "2")}, ""},
		"label missing": {tenant.Query{Labels: label("tier", "")}, ""},
		"two":           {tenant.Query{Plan: "free", Region: "eu"}, "abc"},
		"none":          {tenant.Query{Plan: "pro", Server: "server-3"}, ""},
	} {
		if got := strings.Join(walk(t, s, c.q, nil), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func testListPages(t *testing.T, s tenant.Store) {
	var want []string
	for i := range 12 {
		want = append(want, create(t, s, fmt.Sprintf("page-%02d", i)).Slug)
	}
	for _, limit := range []int{0, 1, 5, 6, 11, 12, 13, tenant.MaxLimit} {
		if got := walk(t, s, tenant.Query{Limit: limit}, nil); !slices.Equal(got, want) {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
	page, err := s.List(t.Context(), tenant.Query{Limit: 4})
	if err != nil || len(page.Tenants) != 4 || page.Next == "" {
		t.Fatalf("got %d tenants, next %q, %v", len(page.Tenants), page.Next, err)
	}
	if strings.Contains(page.Next, "page-03") {
		t.Errorf("the cursor %q shows a slug", page.Next)
	}
}

// A walk meets each tenant that was there when it began exactly once, while
// others come and change.
func testListWhileCreating(t *testing.T, s tenant.Store) {
	var want []string
	var old []tenant.Tenant
	for i := range 10 {
		old = append(old, create(t, s, fmt.Sprintf("old-%d", i)))
		want = append(want, old[i].Slug)
	}
	pages := 0
	got := walk(t, s, tenant.Query{Limit: 2}, func() {
		if pages < 5 {
			create(t, s, fmt.Sprintf("new-%d", pages))
			old[pages] = rename(t, s, old[pages], "changed meanwhile")
		}
		pages++
	})
	got = slices.DeleteFunc(got, func(slug string) bool { return strings.HasPrefix(slug, "new-") })
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func testListInvalid(t *testing.T, s tenant.Store) {
	for i := range 3 {
		create(t, s, fmt.Sprintf("t-%d", i))
	}
	page, err := s.List(t.Context(), tenant.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]tenant.Query{
		"limit":           {Limit: -1},
		"large limit":     {Limit: tenant.MaxLimit + 1},
		"status":          {Status: []tenant.Status{"odd"}},
		"plan":            {Plan: "x'y"},
		"prefix":          {SlugPrefix: "a%"},
		"strategy":        {Strategy: "odd"},
		"cursor":          {Cursor: "odd"},
		"huge cursor":     {Cursor: strings.Repeat("A", 1<<20)},
		"NUL in cursor":   {Cursor: "\x00" + page.Next[1:]},
		"another's":       {Cursor: page.Next, Plan: "pro"},
		"NUL in a label":  {Labels: tenant.NewLabels(map[string]string{"a": "\x00"})},
		"name of a label": {Labels: tenant.NewLabels(map[string]string{"a b": ""})},
	} {
		if _, err := s.List(t.Context(), q); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
