package embedded

import (
	"context"

	"github.com/partywall/partywall/internal/pgserver"
)

// localSource runs the binaries of this machine.
type localSource struct {
	options *pgserver.Options
}

func (s *localSource) start(ctx context.Context) (running, error) {
	server, err := pgserver.Start(ctx, s.options)
	if err != nil {
		return running{}, err //nolint:wrapcheck // the caller names the source
	}

	return running{
		url:    server.URL("postgres"),
		socket: server.SocketURL("postgres"),
		stop:   server.Stop,
	}, nil
}
