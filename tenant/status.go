package tenant

import "slices"

// Status says what a tenant may do now. Only [Active] tenants are served
// without being asked for; see [StatusError] for what the others get.
type Status string

// The statuses, in the order of a tenant's life.
const (
	// Pending tenants exist but are not provisioned yet: nothing routes to them.
	Pending Status = "pending"
	// Active tenants are served.
	Active Status = "active"
	// Suspended tenants keep their data and are not served, for the
	// [Tenant.Reason] given: an unpaid bill, abuse.
	Suspended Status = "suspended"
	// Maintenance is a short pause that ends by itself: a move, a restore.
	Maintenance Status = "maintenance"
	// Archived tenants have left; their data is kept cold and can come back.
	Archived Status = "archived"
	// Deleting tenants wait for [Tenant.DeleteAfter]; until then they can be
	// brought back.
	Deleting Status = "deleting"
	// Deleted is a tombstone: the data is gone, the name stays taken so that
	// nobody inherits old links.
	Deleted Status = "deleted"
)

// Valid reports whether s is one of the statuses above.
func (s Status) Valid() bool {
	switch s {
	case Pending, Active, Suspended, Maintenance, Archived, Deleting, Deleted:
		return true
	}
	return false
}

// CanBecome reports whether a tenant may go from s to next in one step. A
// status never becomes itself.
func (s Status) CanBecome(next Status) bool { return slices.Contains(s.next(), next) }

// next lists the legal successors of s. Deleted is final; Deleting goes back
// only to Suspended, so that bringing a tenant back is two decisions.
func (s Status) next() []Status {
	switch s {
	case Pending:
		return []Status{Active, Deleting}
	case Active:
		return []Status{Suspended, Maintenance, Archived, Deleting}
	case Suspended:
		return []Status{Active, Maintenance, Archived, Deleting}
	case Maintenance:
		return []Status{Active, Suspended}
	case Archived:
		return []Status{Active, Suspended, Deleting}
	case Deleting:
		return []Status{Suspended, Deleted}
	}
	return nil
}

// Writable reports whether a tenant of this status may change its data. The
// others may at most read, and only where the host lets them; see [Admit].
func (s Status) Writable() bool { return s == Active }

// Readable reports whether a tenant of this status has data that a host may
// choose to show.
func (s Status) Readable() bool {
	switch s {
	case Active, Suspended, Maintenance, Archived, Deleting:
		return true
	}
	return false
}
