// Package domain runs the domains of tenants: their subdomains of the platform's
// own, and any number of domains that are theirs.
//
//	domains, err := domain.New(pool, tenants, &domain.Options{Base: "myapp.com", Edge: "edge.myapp.com", Prover: prover})
//	certificates, err := autotls.New(pool, domains, &autotls.Options{Key: key, Agreed: true})
//	err = certificates.Open(ctx)
//	err = domains.Open(ctx, certificates)
//
//	d, err := domains.Claim(ctx, acme.ID, "shop.acme.com", domain.MethodTXT)
//	fmt.Print(domains.Instructions(d))
//
// A claim says that a host is the tenant's. A worker, on any node, looks for the
// proof in DNS, has a certificate issued, and looks again each day whether the host
// is still the tenant's; what that leads to is a [State]. The [Directory] answers
// in memory whose a host is, for every request and every handshake.
//
// The wall is a unique index: a host that is proven is one tenant's. It stays so
// while it is given up, and until what its owner has left in DNS is gone or a new
// owner has put a record of its own; so nobody is served under a name that was
// forgotten (a dangling record).
//
// Proofs are looked for by package proof, redirects are those of package redirect,
// certificates come from package autotls, the platform's own records are package
// zone's.
package domain
