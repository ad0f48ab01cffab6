package cache_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// Two tenants have the same key, and each its own price.
func Example_prices() {
	caches, err := cache.New(cache.Servers{"main": {Addrs: []string{os.Getenv("PARTYWALL_TEST_REDIS")}}},
		&cache.Options{Prefix: "example-prices:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = caches.Close() }()
	const sku = "anvil"
	for number, slug := range []string{"acme", "globex"} {
		who := tenant.Tenant{ID: tenant.NewID(time.Now()), Number: int64(number + 1), Slug: slug, Status: tenant.Active}
		ctx := tenant.NewContext(context.Background(), who)
		load := func(context.Context) (int, error) {
			fmt.Println("loading for", slug)
			return 100 * (number + 1), nil
		}
		for range 2 {
			price, err := cache.GetOrLoad(ctx, caches, "price:"+sku, load, nil)
			fmt.Println(price, err)
		}
		if err := caches.Erase(context.Background(), who); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// loading for acme
	// 100 <nil>
	// 100 <nil>
	// loading for globex
	// 200 <nil>
	// 200 <nil>
}
