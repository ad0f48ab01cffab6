package redisserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partywall/partywall/internal/redisserver"
)

// ask sends one command in the protocol's inline form.
func ask(t *testing.T, addr, command string) (string, error) {
	t.Helper()

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()

	if _, err := io.WriteString(conn, command+"\r\nQUIT\r\n"); err != nil {
		return "", err
	}

	answer, err := io.ReadAll(conn)

	return string(answer), err
}

func TestStart(t *testing.T) {
	t.Parallel()

	server, err := redisserver.Start(t.Context(), &redisserver.Options{Config: []string{"maxmemory-policy allkeys-lru"}})
	if err != nil {
		t.Fatal(err)
	}

	if answer, err := ask(t, server.Addr(), "CONFIG GET maxmemory-policy"); err != nil || !strings.Contains(answer, "allkeys-lru") {
		t.Errorf("answer = %q, %v", answer, err)
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if _, err := ask(t, server.Addr(), "PING"); err == nil {
		t.Error("it listens after Stop")
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}

	again, err := redisserver.Start(t.Context(), &redisserver.Options{Port: server.Port()})
	if err != nil {
		t.Fatal(err)
	}

	if again.Addr() != server.Addr() {
		t.Errorf("came back at %s, want %s", again.Addr(), server.Addr())
	}

	if err := again.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartCluster(t *testing.T) {
	t.Parallel()

	cluster, err := redisserver.StartCluster(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := cluster.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	for _, addr := range cluster.Addrs() {
		if answer, err := ask(t, addr, "CLUSTER INFO"); err != nil || !strings.Contains(answer, "cluster_slots_ok:16384") {
			t.Errorf("%s: %q, %v", addr, answer, err)
		}
	}
}

func TestStartFailures(t *testing.T) {
	t.Parallel()

	for name, options := range map[string]*redisserver.Options{
		"no program":        {Bin: filepath.Join(t.TempDir(), "none")},
		"bad configuration": {Config: []string{"no-such-setting yes"}},
	} {
		_, err := redisserver.Start(t.Context(), options)
		if err == nil || !strings.HasPrefix(err.Error(), "redisserver: ") {
			t.Errorf("%s: error = %v, want one of redisserver", name, err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()

	path, err := redisserver.Find()
	if errors.Is(err, redisserver.ErrNotFound) {
		t.Fatal(err)
	}

	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
