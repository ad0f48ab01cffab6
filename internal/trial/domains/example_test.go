package domains_test

import (
	"context"
	"log"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/autotls"
	"github.com/partywall/partywall/tenant/domain/proof"
	"github.com/partywall/partywall/tenant/domain/redirect"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// A host's main, once it has a pool, its tenants and its own handler.
func Example() { //nolint:testableexamples // it would serve forever
	serve := func(ctx context.Context, pool *pgxpool.Pool, tenants *pgtenant.Catalog, app http.Handler) error {
		prover, err := proof.New([]string{"1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53"}, &proof.Options{
			Edge: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, // where this host is reached
		})
		if err != nil {
			return err
		}
		domains, err := domain.New(pool, tenants, &domain.Options{
			Base: "myapp.com", Own: []string{"www"}, // acme.myapp.com is the tenant acme
			Edge: "edge.myapp.com", Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7")}, // *.edge.myapp.com leads here
			Prover: prover,
		})
		if err != nil {
			return err
		}
		certificates, err := autotls.New(pool, domains, &autotls.Options{Key: []byte(os.Getenv("TLS_KEY")), Agreed: true})
		if err != nil {
			return err
		}
		if err := certificates.Open(ctx); err != nil {
			return err
		}
		defer certificates.Close()
		if err := domains.Open(ctx, certificates); err != nil {
			return err
		}
		defer domains.Close()

		resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com", "www"), httptenant.CustomDomain(domains.Owner))
		handler := redirect.Handler(domains, httptenant.Middleware(tenants, resolver, nil)(app))
		plain := &http.Server{Addr: ":80", Handler: certificates.HTTPHandler(nil), ReadHeaderTimeout: 10 * time.Second}
		go func() { log.Println(plain.ListenAndServe()) }()
		return certificates.Server(handler).ListenAndServeTLS("", "")
	}
	_ = serve
}
