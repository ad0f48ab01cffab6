// Package autotls gives all tenants' hosts certificates by themselves: ordered
// from ACME authorities (RFC 8555), kept in PostgreSQL for all nodes, renewed in
// time, and shown by one tls.Config.
//
// A [Manager] orders when a host has been proven ([Manager.Issue]), and in the
// handshake as a fallback; which hosts may be served is asked of memory
// ([Hosts]), so a handshake for any other costs nothing. Handshakes do not need
// the database for a certificate that the node has in memory, which are all of
// them up to Options.Cache.
//
// What is stored is sealed and in certmagic's layout ([Manager.Storage]).
// Challenges are answered by whichever node the CA comes to, and nothing is
// listened on but what the host opens. Orders keep within what CAs allow
// (package pace).
package autotls
