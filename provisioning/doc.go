// Package provisioning runs the long work on tenants: making one, moving it,
// ending it, and whatever else the host does in steps.
package provisioning
