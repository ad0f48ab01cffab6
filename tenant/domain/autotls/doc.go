// Package autotls gives all tenants' hosts certificates by themselves: ordered
// from ACME authorities (RFC 8555), kept in PostgreSQL for all nodes, renewed
// in time, and shown by one tls.Config.
package autotls
