package tenant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
)

func active(slug string, number int64) tenant.Tenant {
	return tenant.Tenant{ID: tenant.NewID(time.Now()), Number: number, Slug: slug, Status: tenant.Active}
}

func TestContext(t *testing.T) {
	t.Parallel()
	a, b := active("a", 1), active("b", 2)
	suspended, pending := active("s", 3), active("p", 4)
	suspended.Status, pending.Status = tenant.Suspended, tenant.Pending
	bare := context.Background()
	inA := tenant.NewContext(bare, a)
	moved := a
	moved.Placement.Epoch = 9

	for name, c := range map[string]struct {
		ctx  context.Context //nolint:containedctx // a table of contexts
		want error
		id   tenant.ID
	}{
		"none":                        {bare, tenant.ErrNoTenant, tenant.ID{}},
		"one":                         {inA, nil, a.ID},
		"the same again":              {tenant.NewContext(inA, moved), nil, a.ID},
		"two":                         {tenant.NewContext(inA, b), tenant.ErrTwoTenants, tenant.ID{}},
		"back after two":              {tenant.NewContext(tenant.NewContext(inA, b), a), tenant.ErrTwoTenants, tenant.ID{}},
		"without":                     {tenant.Without(inA), tenant.ErrNoTenant, tenant.ID{}},
		"another after without":       {tenant.NewContext(tenant.Without(inA), b), nil, b.ID},
		"without after two":           {tenant.NewContext(tenant.Without(tenant.NewContext(inA, b)), b), nil, b.ID},
		"the zero tenant":             {tenant.NewContext(bare, tenant.Tenant{}), tenant.ErrNoTenant, tenant.ID{}},
		"the zero tenant within one":  {tenant.NewContext(inA, tenant.Tenant{}), tenant.ErrTwoTenants, tenant.ID{}},
		"no number":                   {tenant.NewContext(bare, tenant.Tenant{ID: a.ID}), tenant.ErrNoTenant, tenant.ID{}},
		"suspended":                   {tenant.NewContext(bare, suspended), tenant.ErrSuspended, tenant.ID{}},
		"suspended, admitted":         {tenant.Admit(bare, suspended), nil, suspended.ID},
		"pending, admitted":           {tenant.Admit(bare, pending), tenant.ErrPending, tenant.ID{}},
		"admitted, then not any more": {tenant.NewContext(tenant.Admit(bare, suspended), suspended), tenant.ErrSuspended, tenant.ID{}},
	} {
		got, err := tenant.FromContext(c.ctx)
		if !errors.Is(err, c.want) || got.ID != c.id {
			t.Errorf("%s: %s, %v; want %s, %v", name, got.ID, err, c.id, c.want)
		}
	}
	type key struct{}
	if v := tenant.NewContext(context.WithValue(bare, key{}, 7), a).Value(key{}); v != 7 {
		t.Errorf("other values are lost: %v", v)
	}
	if !tenant.Admitted(tenant.Admit(bare, suspended)) || tenant.Admitted(inA) || tenant.Admitted(bare) {
		t.Error("Admitted")
	}
}
