package domain_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/memtenant"
)

// sheet is a catalog that is not opened: instructions ask nobody.
func sheet(t *testing.T, addresses ...netip.Addr) *domain.Catalog {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := domain.New(pool, tenants, &domain.Options{Edge: "edge.myapp.com", Addresses: addresses, Workers: -1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestInstructions holds the records that a customer is shown against the lines of
// a zone file that lead the host here.
func TestInstructions(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")
	const target = "k3j9.edge.myapp.com"
	for name, c := range map[string]struct {
		host      string
		method    domain.Method
		addresses []netip.Addr
		records   []string
		labels    []string
	}{
		"a subdomain": {
			"shop.acme.co.uk", domain.MethodTXT, []netip.Addr{v4},
			[]string{`_partywall-challenge.shop.acme.co.uk. IN TXT "token"`, "shop.acme.co.uk. IN CNAME " + target},
			[]string{"_partywall-challenge.shop", "shop"},
		},
		"an apex": {
			"acme.co.uk", domain.MethodTXT, []netip.Addr{v4, v6},
			[]string{`_partywall-challenge.acme.co.uk. IN TXT "token"`, "acme.co.uk. IN A 203.0.113.7", "acme.co.uk. IN AAAA 2001:db8::7"},
			[]string{"_partywall-challenge", "@", "@"},
		},
		"an apex of an edge without addresses": {
			"acme.example", domain.MethodTXT, nil,
			[]string{`_partywall-challenge.acme.example. IN TXT "token"`, "acme.example. IN ALIAS " + target},
			[]string{"_partywall-challenge", "@"},
		},
		"by HTTP": {"shop.acme.example", domain.MethodHTTP, nil, []string{"shop.acme.example. IN CNAME " + target}, []string{"shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := sheet(t, c.addresses...).Instructions(domain.Domain{
				Host: c.host, State: domain.Claimed, Method: c.method, Token: "token", Target: target,
			})
			var records, labels []string
			for _, r := range in.Records {
				records, labels = append(records, r.String()), append(labels, r.Label)
				if r.Done || r.Why == "" {
					t.Errorf("%+v", r)
				}
			}
			if !slices.Equal(records, c.records) || !slices.Equal(labels, c.labels) {
				t.Errorf("got %q %q", records, labels)
			}
			byHTTP := c.method == domain.MethodHTTP
			if byHTTP != (in.File == "/.well-known/partywall-challenge") || byHTTP != (in.Body == "token") {
				t.Errorf("file %q, body %q", in.File, in.Body)
			}
		})
	}
}

// TestInstructionsFollow what was found: what is there is ticked off, and a host
// that was given up wants nothing.
func TestInstructionsFollow(t *testing.T) {
	t.Parallel()
	c := sheet(t)
	d := domain.Domain{Host: "xn--bcher-kva.example", State: domain.Claimed, Method: domain.MethodTXT, Token: "token", Target: "k3j9.edge.myapp.com"}
	d.Reason, d.Seen = domain.ReasonWrongRecord, []string{"\"other\n"}
	in := c.Instructions(d)
	if in.Host != "bücher.example" || in.Records[0].Name != "_partywall-challenge.xn--bcher-kva.example" {
		t.Errorf("%+v", in)
	}
	text := in.String()
	if !strings.Contains(text, `seen so far: "\"other\n"`) || !strings.Contains(text, "bücher.example: Not proven yet: the record is there, but holds something else.") {
		t.Error(text)
	}
	d.State, d.Pointed, d.Reason, d.Seen = domain.Active, true, "", nil
	for _, r := range c.Instructions(d).Records {
		if !r.Done {
			t.Errorf("not ticked off: %s", r)
		}
	}
	for _, s := range []domain.State{domain.Released, domain.Tombstoned, domain.Ended} {
		if d.State = s; len(c.Instructions(d).Records) > 0 {
			t.Errorf("%s: a host that is given up is to be led here", s)
		}
	}
}
