package autotls_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/libdns/libdns"

	"github.com/partywall/partywall/tenant/domain/autotls"
)

// directory is what the host knows of its tenants' hosts; mostly it is a
// *domain.Directory.
type directory map[string]bool

func (d directory) MayServe(host string) bool { return d[host] }

// A server whose tenants all have HTTPS.
func ExampleManager() { //nolint:testableexamples // it would serve forever
	serve := func(ctx context.Context, pool *pgxpool.Pool, hosts autotls.Hosts, handler http.Handler) error {
		m, err := autotls.New(pool, hosts, &autotls.Options{
			Key:    []byte(os.Getenv("TLS_KEY")), // 32 random bytes
			Agreed: true,                         // to https://letsencrypt.org/repository/
		})
		if err != nil {
			return err
		}
		if err := m.Open(ctx); err != nil {
			return err
		}
		defer m.Close()
		go func() { log.Println(http.ListenAndServe(":80", m.HTTPHandler(nil))) }()
		return m.Server(handler).ListenAndServeTLS("", "")
	}
	_ = serve
}

// dnsProvider is one of https://github.com/libdns, of the zone's DNS.
type dnsProvider interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// Subdomains of the platform share one certificate, and a second CA stands by.
func ExampleOptions() { //nolint:testableexamples // it wants a provider
	options := func(provider dnsProvider) *autotls.Options {
		return &autotls.Options{
			Key: []byte(os.Getenv("TLS_KEY")), Agreed: true,
			Wildcards: []string{"app.example.com"}, DNS: provider,
			CAs: []autotls.CA{
				{Directory: autotls.LetsEncrypt, Email: "ops@example.com"},
				{Directory: "https://acme.zerossl.com/v2/DV90", Key: os.Getenv("EAB_KEY"), MAC: os.Getenv("EAB_MAC")},
			},
		}
	}
	_ = options
}

// Mistakes come all at once, before anything is dialled.
func ExampleNew() {
	_, err := autotls.New(nil, directory{}, &autotls.Options{Agreed: true})
	fmt.Println(err)
	// Output:
	// autotls: invalid: pool is nil
	// autotls: invalid: Options wants either Key or Sealer
}
