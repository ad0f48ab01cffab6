// Package redistest tells tests where the Redis servers of internal/testenv
// are, and starts private ones for tests that break theirs.
package redistest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/redisserver"
)

// cleanupTimeout bounds the stopping of what a test started.
const cleanupTimeout = 30 * time.Second

// Addr returns host:port of the server that all tests share. A test without a
// server fails: one that is skipped proves nothing.
func Addr(t testing.TB) string {
	t.Helper()

	return variable(t, "PARTYWALL_TEST_REDIS")
}

// Cluster returns the nodes of the cluster that all tests share.
func Cluster(t testing.TB) []string {
	t.Helper()

	return strings.Split(variable(t, "PARTYWALL_TEST_REDIS_CLUSTER"), ",")
}

// Namespace returns a name that no other test uses, to begin all keys with.
func Namespace(t testing.TB) string {
	t.Helper()

	const letters = 10 // of 32: collisions are out of reach of any test run

	return "test-" + strings.ToLower(rand.Text()[:letters]) + ":"
}

// Start starts a server of the test's own, which ends with it.
func Start(t testing.TB, options *redisserver.Options) *redisserver.Server {
	t.Helper()

	server, err := redisserver.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { stop(t, server.Stop) })

	return server
}

// StartCluster starts a cluster of the test's own, which ends with it.
func StartCluster(t testing.TB) *redisserver.Cluster {
	t.Helper()

	cluster, err := redisserver.StartCluster(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { stop(t, cluster.Stop) })

	return cluster
}

func stop(t testing.TB, end func(context.Context) error) {
	t.Helper()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
	defer cancel()

	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

func variable(t testing.TB, name string) string {
	t.Helper()

	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("redistest: %s is not set; run: make test, or: go run ./internal/testenv -- go test ...", name)
	}

	return value
}
