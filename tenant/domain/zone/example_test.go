package zone_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/partywall/partywall/tenant/domain/zone"
)

// What would change is shown first, and done when somebody has looked at it.
func ExampleZone_Plan() {
	ctx := context.Background()
	provider := &memory{} // any provider of github.com/libdns
	z, err := zone.New(provider, "myapp.com", "production")
	if err != nil {
		fmt.Println(err)
		return
	}
	want, err := zone.Platform{Edge: []netip.Addr{netip.MustParseAddr("46.0.0.1")}, Issuers: []string{"letsencrypt.org"}}.Sets()
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := z.Plan(ctx, want)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan)
	if err := z.Apply(ctx, plan); err != nil {
		fmt.Println(err)
		return
	}
	again, err := z.Plan(ctx, want)
	fmt.Println(again.Empty(), err)
	// Output:
	// + * A 46.0.0.1
	// + edge A 46.0.0.1
	// + *.edge A 46.0.0.1
	// + @ CAA 0 issue "letsencrypt.org", 0 issuewild "letsencrypt.org"
	// true <nil>
}
