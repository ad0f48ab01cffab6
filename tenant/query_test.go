package tenant_test

import (
	"errors"
	"testing"

	"github.com/partywall/partywall/tenant"
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
