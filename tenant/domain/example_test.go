package domain_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// exampleCatalog is a catalog that is not opened, and so asks nobody.
func exampleCatalog() *domain.Catalog {
	pool, err := pgxpool.New(context.Background(), "postgres://localhost/catalog")
	if err != nil {
		panic(err)
	}
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		panic(err)
	}
	domains, err := domain.New(pool, tenants, &domain.Options{Base: "myapp.com", Edge: "edge.myapp.com", Workers: -1})
	if err != nil {
		panic(err)
	}
	return domains
}

// A tenant's administrator asks for a domain, and is shown what to do.
func ExampleCatalog_Claim() { //nolint:testableexamples // tokens are random
	add := func(ctx context.Context, domains *domain.Catalog, acme tenant.ID, host string) (domain.Instructions, error) {
		d, err := domains.Claim(ctx, acme, host, domain.MethodTXT)
		if errors.Is(err, domain.ErrExists) {
			d, err = domains.Check(ctx, acme, host) // the button "look again"
		}
		if err != nil {
			return domain.Instructions{}, err
		}
		return domains.Instructions(d), nil
	}
	_ = add
}

// What the customer sees after it has added one of two records, and that one with
// a mistake.
func ExampleCatalog_Instructions() {
	d := domain.Domain{ // as Claim and Get return it
		Host: "shop.acme.example", State: domain.Claimed, Method: domain.MethodTXT,
		Token: "RHQZ2J6ND5YMPOZ3K5XKGVV4KT", Target: "k3j9x2.edge.myapp.com",
		Pointed: true, Reason: domain.ReasonWrongRecord, Seen: []string{"RHQZ2J6ND5YMPOZ"},
	}
	fmt.Print(exampleCatalog().Instructions(d))
	// Output:
	// shop.acme.example: Not proven yet: the record is there, but holds something else.
	//   add: _partywall-challenge.shop.acme.example. IN TXT "RHQZ2J6ND5YMPOZ3K5XKGVV4KT"
	//     It proves that the domain is yours. Leave it there.
	//   found: shop.acme.example. IN CNAME k3j9x2.edge.myapp.com
	//     It leads your visitors here.
	//   seen so far: "RHQZ2J6ND5YMPOZ"
}

// Requests find their tenant by the platform's subdomain or by a domain that is
// served. One that is only claimed, or was given up, says nothing.
func ExampleDirectory_Owner() {
	domains := exampleCatalog() // in which no domain is served yet
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.CustomDomain(domains.Owner))
	for _, host := range []string{"acme.myapp.com", "shop.acme.example"} {
		mention, err := resolver.Resolve(&http.Request{Host: host})
		fmt.Println(host, mention.Key == tenant.BySlug("acme"), err)
	}
	// Output:
	// acme.myapp.com true <nil>
	// shop.acme.example false <nil>
}

// Names that nobody can have are refused before anything else.
func ExampleParseHost() {
	for _, name := range []string{"Bücher.example.", "co.uk", "a.myapp.com", "10.0.0.1"} {
		host, err := domain.ParseHost(name, "myapp.com")
		fmt.Printf("%q %v\n", host, err)
	}
	// Output:
	// "xn--bcher-kva.example" <nil>
	// "" domain: host "co.uk" is a public suffix
	// "" domain: host "a.myapp.com" is the platform's own
	// "" domain: host "10.0.0.1" is no host name
}
