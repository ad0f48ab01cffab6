package private_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/internal/redistest"
)

// TestRedisStop leaves somebody else's server as it was.
func TestRedisStop(t *testing.T) {
	t.Parallel()
	theirs := redistest.Namespace(t) + "theirs"
	server, err := private.StartRedis(t.Context(), "redis://"+redistest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewUniversalClient(server.Options)
	t.Cleanup(func() { _ = client.Close() })
	for _, key := range []string{theirs, server.Prefix + "ours", server.Prefix + "t1:ours"} {
		if err := client.Set(t.Context(), key, "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if left := client.Exists(t.Context(), server.Prefix+"ours", server.Prefix+"t1:ours").Val(); left != 0 {
		t.Errorf("%d keys are left behind", left)
	}
	if n := client.Del(t.Context(), theirs).Val(); n != 1 {
		t.Error("somebody else's key is gone")
	}
}

// TestRedisInside ends with the program's own server.
func TestRedisInside(t *testing.T) {
	t.Parallel()
	server, err := private.StartRedis(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewUniversalClient(server.Options)
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Set(t.Context(), server.Prefix+"k", "x", 0).Err(); err != nil {
		t.Error(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Error("it goes on")
	}
}

func TestStartRedisRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"nonsense", "redis://me:hunter2@127.0.0.1:1/0", "redis://me:hunter2@127.0.0.1:x/0"} {
		if _, err := private.StartRedis(t.Context(), url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
