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
		"pending, prepared":           {tenant.Prepare(bare, pending), nil, pending.ID},
		"suspended, prepared":         {tenant.Prepare(bare, suspended), tenant.ErrSuspended, tenant.ID{}},
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
	for name, c := range map[string]struct {
		ctx    context.Context
		now    tenant.Tenant
		let    error
		writes bool
	}{
		"active":                       {inA, a, nil, true},
		"suspended since":              {inA, suspended, tenant.ErrSuspended, false},
		"admitted":                     {tenant.Admit(bare, suspended), suspended, nil, false},
		"prepared":                     {tenant.Prepare(bare, pending), pending, nil, true},
		"prepared, and suspended":      {tenant.Prepare(bare, suspended), suspended, tenant.ErrSuspended, false},
		"prepared, then not any more":  {tenant.NewContext(tenant.Prepare(bare, pending), pending), pending, tenant.ErrPending, false},
		"nobody's":                     {bare, a, nil, true},
		"nobody's, and not active yet": {bare, pending, tenant.ErrPending, false},
	} {
		if err := tenant.CheckStatus(c.ctx, c.now); !errors.Is(err, c.let) || tenant.MayWrite(c.ctx, c.now) != c.writes {
			t.Errorf("%s: let %v, writes %v", name, err, tenant.MayWrite(c.ctx, c.now))
		}
	}
}
