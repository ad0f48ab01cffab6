package tenant

import "time"

// Tenant is what the catalog knows of one customer of the host application. It
// is a value: changing a copy changes nobody else's, and nothing in the
// catalog. Changes go through [Registry].
type Tenant struct {
	// ID names the tenant outside; see [ID].
	ID ID
	// Number names the tenant inside: it is what rows carry in tenant_id.
	// Numbers start at 1, are given by the catalog, and are never used again.
	Number int64
	// Slug is the tenant's name in host names and paths; see [ValidateSlug].
	Slug string
	// Name is for people. It may hold any text of at most 200 bytes.
	Name string
	// Status says what the tenant may do now.
	Status Status
	// Reason says why the tenant has its status, for people and for
	// [StatusError]; [ReasonPayment] is the one with a meaning of its own.
	Reason string
	// Plan and Region are the host's words; see [Plan] and [Region].
	Plan   Plan
	Region Region
	// Labels are the host's own notes on the tenant.
	Labels Labels
	// Placement says where the tenant's data is.
	Placement Placement
	// Version counts the changes of this tenant. An update names the version
	// it saw and fails with [ErrConflict] when there has been another since.
	Version int64
	// CreatedAt and UpdatedAt are in the catalog's time, UTC.
	CreatedAt, UpdatedAt time.Time
	// DeleteAfter is when a Deleting tenant's data may be removed; it is zero
	// for every other status.
	DeleteAfter time.Time
}

// ReasonPayment is the reason of a suspension that paying ends. Middleware
// answers it with 402 Payment Required instead of 403 Forbidden.
const ReasonPayment = "payment"

// Plan names what the tenant has bought, in the host's words, such as "pro".
// It is empty or a name as [ValidateName] takes them.
type Plan string

// Region names where the tenant's data has to stay, in the host's words, such
// as "eu". It is empty or a name as [ValidateName] takes them.
type Region string
