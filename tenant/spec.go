package tenant

import (
	"cmp"
	"errors"
	"strconv"
)

// Spec describes a tenant to be; see [Writer.Create].
type Spec struct {
	// ID and Number are what the tenant brings along from elsewhere: its rows
	// carry one of them already. Default to new ones.
	ID     ID
	Number int64
	// Slug is required; see [ValidateSlug].
	Slug string
	// Name is for people. Defaults to Slug.
	Name string
	// Plan, Region and Labels are the host's words.
	Plan   Plan
	Region Region
	Labels Labels
	// Placement says where the tenant's data is, if that is known already. Its
	// Epoch is not looked at: a new tenant's is 1.
	Placement Placement
	// Status is Pending, or for tenants that are taken over from elsewhere
	// Active, Suspended or Archived. Defaults to Pending.
	Status Status
}

// Validate reports all that is wrong with s together. Each mistake is an
// [*InvalidError], and the whole matches [ErrInvalid]. Whether the slug is
// reserved or taken, only [Writer.Create] can tell.
func (s Spec) Validate() error {
	var status error
	switch s.Status {
	case "", Pending, Active, Suspended, Archived:
	default:
		status = invalid("status", string(s.Status), "is not one that a tenant can begin with")
	}
	var number error
	if s.Number < 0 {
		number = invalid("number", strconv.FormatInt(s.Number, 10), "is below zero")
	}
	t := s.tenant()
	t.Status = Pending // told above already
	return errors.Join(check(t), number, status)
}

// tenant returns what s describes, without what only the catalog can give.
func (s Spec) tenant() Tenant {
	t := Tenant{
		ID: s.ID, Number: s.Number, Slug: s.Slug, Name: cmp.Or(s.Name, s.Slug), Status: cmp.Or(s.Status, Pending),
		Plan: s.Plan, Region: s.Region, Labels: s.Labels, Placement: s.Placement,
	}
	t.Placement.Epoch = 1
	return t
}

// Patch says what to change of a tenant: every field that is not nil. Status
// and placement have methods of their own on [Writer].
type Patch struct {
	// Slug gives the tenant another name in host names and paths. The earlier
	// one is free for others at once.
	Slug   *string
	Name   *string
	Plan   *Plan
	Region *Region
	Labels *Labels
}

func (p Patch) apply(t Tenant) Tenant {
	set(&t.Slug, p.Slug)
	set(&t.Name, p.Name)
	set(&t.Plan, p.Plan)
	set(&t.Region, p.Region)
	set(&t.Labels, p.Labels)
	return t
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
