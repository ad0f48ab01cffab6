package cache_test

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/cache/cachetest"
	"github.com/partywall/partywall/internal/redistest"
)

func TestKit(t *testing.T) {
	t.Parallel()

	single := func(protocol int) *redis.UniversalOptions {
		return &redis.UniversalOptions{Addrs: []string{redistest.Addr(t)}, Protocol: protocol}
	}
	cluster := &redis.UniversalOptions{Addrs: redistest.Cluster(t)}

	for name, server := range map[string]cachetest.Server{
		"prefix":            {Options: single(3), Level: cache.Prefix},
		"namespace":         {Options: single(3), Level: cache.Namespace},
		"namespace, RESP2":  {Options: single(2), Level: cache.Namespace},
		"database":          {Options: single(3), Level: cache.Database},
		"user":              {Options: single(3), Level: cache.User},
		"cluster":           {Options: cluster, Level: cache.Namespace},
		"cluster, one slot": {Options: cluster, Level: cache.Namespace, HashTags: true},
		"cluster, user":     {Options: cluster, Level: cache.User, HashTags: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cachetest.Run(t, server)
		})
	}
}

// TestKitOnMiniredis runs the kit on a server that is not Redis. It has no
// SORT, no first lines of scripts such as "#!lua", and no DUMP but of strings.
func TestKitOnMiniredis(t *testing.T) {
	t.Parallel()

	cachetest.Run(t, cachetest.Server{
		Options: &redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}},
		Without: []string{"replies", "scripts", "moving out"},
	})
}
