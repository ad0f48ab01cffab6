package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

// engineTimeout bounds the question whether there is a Docker engine at all.
const engineTimeout = 10 * time.Second

// dockerSource runs a container. Its reaper removes it when this process dies.
type dockerSource struct {
	image   string
	timeout time.Duration
}

func (s *dockerSource) start(ctx context.Context) (running, error) {
	// Asked first and apart, so that a machine without Docker does not wait as
	// long as a slow pull may take.
	_, err := bounded(ctx, min(engineTimeout, s.timeout), engine, func(struct{}, error) {})
	if err != nil {
		return running{}, fmt.Errorf("no engine: %w", err)
	}

	late := func(container *postgres.PostgresContainer, _ error) {
		_ = testcontainers.TerminateContainer(container)
	}

	container, err := bounded(ctx, s.timeout, s.run, late)
	if err != nil {
		return running{}, errors.Join(err, testcontainers.TerminateContainer(container))
	}

	target, err := container.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return running{}, errors.Join(err, testcontainers.TerminateContainer(container))
	}

	stop := func(ctx context.Context) error {
		return testcontainers.TerminateContainer(container, testcontainers.StopContext(ctx))
	}

	return running{url: target, stop: stop}, nil
}

func (s *dockerSource) run(ctx context.Context) (*postgres.PostgresContainer, error) {
	//nolint:wrapcheck // the caller names the source
	return postgres.Run(ctx, s.image,
		// As for local servers: everybody on this machine is trusted.
		testcontainers.WithEnv(map[string]string{"POSTGRES_HOST_AUTH_METHOD": "trust"}),
		testcontainers.WithCmd("postgres",
			"-c", "fsync=off", "-c", "max_connections=300", "-c", "wal_level=logical",
			"-c", "max_locks_per_transaction=256", "-c", "max_worker_processes=32"),
		postgres.BasicWaitStrategies(),
	)
}

// engine asks the Docker engine how it is.
func engine(ctx context.Context) (struct{}, error) {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return struct{}{}, fmt.Errorf("docker: %w", err)
	}
	defer func() { _ = provider.Close() }()

	if err := provider.Health(ctx); err != nil {
		return struct{}{}, fmt.Errorf("docker: %w", err)
	}

	return struct{}{}, nil
}
