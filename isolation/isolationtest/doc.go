// Package isolationtest finds out whether a host lets one tenant get at
// another's data, in the host's own tests. The handlers need not use Partywall.
//
// [Run] takes a handler, its routes and two tenants. It makes up a canary, a
// text that is nowhere else, for each, has the host plant it among the tenant's
// data, and then asks for everything as one tenant: with the tenant's own
// identifiers, with the other's, and with the other's name in headers and
// queries that a careless edge believes. A canary of the other's in a body, a
// header, a cookie, a redirect, an error, a log line or a cache key is a leak. It
// also finds
//
//   - what an answer tells without a canary: that something of the other's exists
//     ("oracle"), or that it has become more ("interference");
//   - the other's data changed or gone ("changed");
//   - state that requests share, by asking as both at once;
//   - what was not tested, since it does not work for its owner either
//     ("untested").
//
// Routes come from [Routes], from a [Recorder] around the handler while other
// tests run, from [HAR] files, or from an OpenAPI document (package openapi).
//
// [Mutate] tests the tests: it knocks out one wall after another, and wants
// proof or tests to notice each.
package isolationtest
