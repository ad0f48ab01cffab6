// Package httptenant gives every HTTP request its tenant, once, at the edge.
//
// An [Edge] reads from the request which tenant it names, by a [Resolver],
// looks the tenant up, and runs the handler in the tenant's context. From there
// on isolation, cache and storage know whose data is meant; the handler does
// not say it again.
//
//	mw := httptenant.Middleware(tenants, httptenant.Subdomain("myapp.com"), nil)
//	http.ListenAndServe(":8080", mw(mux))
//
// [New] is the same with the mistakes of configuration returned as an error;
// [Middleware] logs them and answers every request with 500.
//
// # Sources
//
// [Subdomain], [CustomDomain] and [PathPrefix] read what the client asked for;
// [Claim] and [APIKey] read who it is; [Header] reads what a gateway in front
// has found out, and is believed only with [TrustedProxies] or [Signed].
// [FirstOf] and [AllAgree] combine them. Two sources that name different
// tenants are a 403, whatever their order, and a source that is there but
// broken is never taken for one that is not there.
//
//	httptenant.FirstOf(
//		httptenant.Subdomain("myapp.com", "www", "api"),
//		httptenant.CustomDomain(domains.Owner),
//		httptenant.Claim(tenantOfVerifiedToken),
//	)
//
// # Hosts
//
// Host names are brought to one spelling by [NormalizeHost]. X-Forwarded-Host
// is ignored, unless [Options.TrustForwardedHost] has the proxy that sent it.
// An IP address names no tenant: probes that use one want a [Public] route.
//
// # Routes that are different
//
// [Public] routes have no tenant; [Serve] routes let tenants in that are not
// active. Both are marks on the route, found by asking the router about the
// request, so that no path can be bent to look like theirs. Hosts with a
// router that cannot be asked use [Options.Public] and [Options.Admit].
//
// # Errors
//
// [StatusOf] has the one table of errors and statuses. Answers say nothing of
// what was found: a tenant that does not exist, one that is not provisioned
// yet, and no tenant at all are the same 404, byte for byte. [Edge.Error] gives
// handlers the same answers.
//
// # Limits
//
// The tenant's status is read once per request; a response that streams for
// hours outlives a suspension, though its next query does not. This package
// authenticates nobody: that a user belongs to the tenant of the host is what
// [Claim] compares, when there is a claim.
package httptenant
