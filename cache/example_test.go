package cache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// in is a context of a tenant's, as the middleware of package httptenant makes it.
func in(number int64, slug string) context.Context {
	return tenant.NewContext(context.Background(), tenant.Tenant{
		ID: tenant.NewID(time.Now()), Number: number, Slug: slug, Name: slug, Status: tenant.Active,
	})
}

func ExampleClient() {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	caches, err := cache.New(cache.Servers{"main": {Addrs: []string{server.Addr()}}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = caches.Close() }()

	acme, globex := in(1, "acme"), in(2, "globex")
	fmt.Println(caches.Set(acme, "cart:7", "apples", time.Hour).Err())
	fmt.Println(caches.Get(acme, "cart:7").Val())
	fmt.Println(errors.Is(caches.Get(globex, "cart:7").Err(), redis.Nil))
	fmt.Println(caches.Get(context.Background(), "cart:7").Err())
	fmt.Println(caches.FlushAll(acme).Err())
	// Output:
	// <nil>
	// apples
	// true
	// tenant: no tenant in the context
	// cache: "flushall" is refused: it is about everybody's keys; a tenant's end by Purge
}

func ExampleGetOrLoad() {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	caches, err := cache.New(cache.Servers{"main": {Addrs: []string{server.Addr()}}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = caches.Close() }()

	load := func(context.Context) (int, error) {
		fmt.Println("loading")
		return 1999, nil
	}
	for range 2 {
		cents, err := cache.GetOrLoad(in(1, "acme"), caches, "price:7", load, &cache.LoadOptions{TTL: time.Minute})
		fmt.Println(cents, err)
	}
	// Output:
	// loading
	// 1999 <nil>
	// 1999 <nil>
}
