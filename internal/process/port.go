package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken below the ranges from which systems give out the ports of
// outgoing connections (from 32768 on Linux, 49152 elsewhere): otherwise a
// client's connection could take a server's port while that is restarting.
const (
	firstPort = 15000
	lastPort  = 32000
)

// portTries bounds the search of FreePort; on a machine with so many ports in
// use nothing else works either.
const portTries = 200

// FreePort returns a port of 127.0.0.1 that nobody listened on a moment ago. A
// server that finds it taken after all must be given another one.
func FreePort(ctx context.Context) (int, error) {
	var (
		failed error
		config net.ListenConfig
	)

	for range portTries {
		//nolint:gosec // two processes should not try the same ports, that is all
		port := firstPort + rand.IntN(lastPort-firstPort)

		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			failed = err

			continue
		}

		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("process: %w", err)
		}

		return port, nil
	}

	return 0, fmt.Errorf("process: no free port: %w", errors.Join(failed, ctx.Err()))
}
