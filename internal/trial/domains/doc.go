// Package domains tries tenants' domains as a whole: a claim, a record in a real
// DNS server, a certificate from Pebble, and a request over TLS that comes to the
// right tenant.
package domains
