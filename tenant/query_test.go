package tenant_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// A page breaks at the number of its last tenant, and its cursor belongs to
// the query, whatever its limit.
func TestQueryCursor(t *testing.T) {
	t.Parallel()
	q := tenant.Query{Plan: "pro", Limit: 2}
	page := q.Page([]tenant.Tenant{{Number: 3}, {Number: 7}, {Number: 8}})
	if len(page.Tenants) != 2 || page.Next == "" {
		t.Fatalf("%+v", page)
	}
	q.Cursor, q.Limit = page.Next, 50
	if after, err := q.After(); after != 7 || err != nil {
		t.Errorf("After = %d, %v", after, err)
	}
	if page := q.Page([]tenant.Tenant{{Number: 8}}); page.Next != "" {
		t.Errorf("a last page has a next one: %q", page.Next)
	}
	for _, other := range []tenant.Query{
		{}, {Plan: "free"}, {Region: "pro"}, {Plan: "pro", Status: []tenant.Status{tenant.Active}},
		{Plan: "pro", Labels: tenant.NewLabels(map[string]string{"a": ""})},
	} {
		other.Cursor = page.Next
		if _, err := other.After(); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("%+v takes the cursor of another: %v", other, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	q := tenant.Query{Limit: 1}
	for _, n := range []int64{1, 7, 1 << 40} {
		f.Add(q.Page([]tenant.Tenant{{Number: n}, {Number: n + 1}}).Next)
	}
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		q := tenant.Query{Cursor: cursor, Limit: 1}
		after, err := q.After()
		switch {
		case err != nil && (!errors.Is(err, tenant.ErrInvalid) || after != 0):
			t.Fatalf("%d, %v", after, err)
		case err == nil && cursor != "":
			if again := q.Page([]tenant.Tenant{{Number: after}, {}}).Next; after < 1 || again != cursor {
				t.Fatalf("%q is %d is %q", cursor, after, again)
			}
		}
	})
}

// Whatever is asked for, a query is refused as a whole or lists what matches
// it, and each of its pages leads to the next.
func FuzzQuery(f *testing.F) {
	store := memtenant.New()
	for i, slug := range []string{"acme", "acme-2", "globex"} {
		given := active(slug, 0)
		given.Plan, given.Placement.Epoch = "pro", 1
		given.Labels = tenant.NewLabels(map[string]string{"owner": "jane", "n": fmt.Sprint(i)})
		if _, err := store.Create(context.Background(), given); err != nil {
			f.Fatal(err)
		}
	}
	f.Add("pro", "", "", "", "active", "ac", `{"owner":"jane"}`, 1)
	f.Add("", "eu", "s", "shared", "", "{", `{"":""}`, -1)
	f.Add("'--", "\x00", "$1", "%", "odd", "%", `{"a":"\u0000"}`, 1001)
	f.Fuzz(func(t *testing.T, plan, region, server, strategy, status, prefix, labels string, limit int) {
		q := tenant.Query{
			Plan: tenant.Plan(plan), Region: tenant.Region(region), Server: server, Strategy: tenant.Strategy(strategy),
			SlugPrefix: prefix, Limit: limit,
		}
		if status != "" {
			q.Status = []tenant.Status{tenant.Status(status)}
		}
		if json.Unmarshal([]byte(labels), &q.Labels) != nil {
			q.Labels = tenant.NewLabels(map[string]string{labels: labels})
		}
		wrong, seen := q.Validate(), 0
		for {
			page, err := store.List(t.Context(), q)
			if (err != nil) != (wrong != nil) || err != nil && !errors.Is(err, tenant.ErrInvalid) {
				t.Fatalf("%v, and listed with %v", wrong, err)
			}
			for _, found := range page.Tenants {
				if seen++; !q.Matches(found) {
					t.Fatalf("%+v is not what was asked for", found)
				}
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
		}
		if seen > 3 {
			t.Fatalf("%d tenants of 3", seen)
		}
	})
}
