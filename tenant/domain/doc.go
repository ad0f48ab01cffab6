// Package domain holds the domains of tenants.
package domain
