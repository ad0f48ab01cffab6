package tenant

// Event tells of one change of a tenant, made on this node or on another.
type Event struct {
	// Before is the tenant as this node knew it, the zero Tenant when it did
	// not. Changes that follow each other closely may arrive as one.
	Before Tenant
	// After is the tenant as it is. It is the zero Tenant only when the catalog
	// was restored to a state before the tenant was.
	After Tenant
}

// Moved reports whether the tenant's data is somewhere else now, or its right
// to write has changed: connections bound to the earlier epoch are void.
func (e Event) Moved() bool { return e.Before.Placement.Epoch != e.After.Placement.Epoch }
