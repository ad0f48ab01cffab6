// Package cache gives each tenant a Redis of its own, on servers that all
// share.
//
//	caches, err := cache.New(cache.Servers{"main": {Addrs: []string{"127.0.0.1:6379"}}}, nil)
//	…
//	caches.Set(ctx, "cart:7", cart, time.Hour)       // the keys of the context's tenant
//
// A [Client] has the commands of go-redis. The tenant is the context's; without
// one a command fails with [tenant.ErrNoTenant] and nothing is sent. Keys are
// rewritten where Redis's own key specifications say that keys are, and replies
// come back without what was put in front. A command whose keys are not known is
// refused with a [CommandError]; docs/cache.md has a table of them all.
//
// The clients of go-redis below are never handed out.
package cache
