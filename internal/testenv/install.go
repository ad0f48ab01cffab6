package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/partywall/partywall/internal/pgbouncer"
	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/internal/redisserver"
)

// denyServices is a policy-rc.d that forbids packages to start their services
// while they are installed. The comment tells our own file from an
// administrator's, should a killed run have left it.
const denyServices = "#!/bin/sh\n# partywall testenv: removed after the installation\nexit 101\n"

// noCluster keeps Debian's postgresql package from making a cluster that would
// be started at every boot.
const noCluster = "# Written by partywall testenv.\ncreate_main_cluster = false\n"

// missingPackages returns the apt packages of the servers that are not here.
func missingPackages() []string {
	var missing []string

	if os.Getenv("DATABASE_URL") == "" {
		if _, err := pgserver.Find(""); err != nil {
			missing = append(missing, "postgresql")
		}
	}

	if _, err := pgbouncer.Find(); err != nil {
		missing = append(missing, "pgbouncer")
	}

	if _, err := redisserver.Find(); err != nil {
		missing = append(missing, "redis-server")
	}

	return missing
}

// needs says what to install. A missing PostgreSQL alone is no error: package
// embedded has other sources.
func needs(missing []string) error {
	var errs []error
	if slices.Contains(missing, "pgbouncer") {
		errs = append(errs, pgbouncer.ErrNotFound)
	}

	if slices.Contains(missing, "redis-server") {
		errs = append(errs, redisserver.ErrNotFound)
	}

	if len(errs) == 0 {
		return nil
	}

	return fmt.Errorf("testenv: %w\ntestenv: install what is missing: apt-get install %s\n"+
		"testenv: or, as root: go run ./internal/testenv -install", errors.Join(errs...), strings.Join(missing, " "))
}

// installer installs packages without their services.
type installer struct {
	root bool
	apt  string // path of apt-get, or ""

	// policy and clusters are the paths of policy-rc.d and createcluster.conf.
	policy, clusters string

	run func(ctx context.Context, name string, args ...string) error
}

func newInstaller(stderr io.Writer) *installer {
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		apt = ""
	}

	run := func(ctx context.Context, name string, args ...string) error {
		cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // apt-get with package names of our own
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = stderr, stderr // the command's output alone goes to stdout

		return cmd.Run()
	}

	return &installer{
		root:     os.Geteuid() == 0,
		apt:      apt,
		policy:   "/usr/sbin/policy-rc.d",
		clusters: "/etc/postgresql-common/createcluster.conf",
		run:      run,
	}
}

// install installs the packages, or says why it may not.
func (i *installer) install(ctx context.Context, packages []string) error {
	switch {
	case i.apt == "":
		return fmt.Errorf("testenv: there is no apt-get here; install by hand: %s", strings.Join(packages, " "))
	case !i.root:
		return fmt.Errorf("testenv: only root may install; run: sudo apt-get install %s", strings.Join(packages, " "))
	}

	restore, err := i.holdServices()
	if err != nil {
		return err
	}

	err = i.run(ctx, i.apt, "update", "-q")
	if err == nil {
		// A file that is there already, such as ours, is kept without a question.
		args := []string{
			"install", "-q", "-y", "--no-install-recommends",
			"-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=300",
		}
		err = i.run(ctx, i.apt, append(args, packages...)...)
	}

	if err != nil {
		err = fmt.Errorf("testenv: apt-get: %w", err)
	}

	return errors.Join(err, restore())
}

// holdServices makes packages start nothing until restore is called. An
// administrator's own policy stays as it is.
func (i *installer) holdServices() (func() error, error) {
	none := func() error { return nil }

	if _, err := os.Stat(i.clusters); errors.Is(err, os.ErrNotExist) {
		//nolint:gosec // folders and files of the system, readable by all like their neighbours
		err := errors.Join(os.MkdirAll(filepath.Dir(i.clusters), 0o755), os.WriteFile(i.clusters, []byte(noCluster), 0o644))
		if err != nil {
			return none, fmt.Errorf("testenv: %w", err)
		}
	}

	policy, err := os.ReadFile(i.policy)
	if err == nil && !bytes.Equal(policy, []byte(denyServices)) {
		return none, nil
	}

	if err := os.WriteFile(i.policy, []byte(denyServices), 0o755); err != nil { //nolint:gosec // it is a program
		return none, fmt.Errorf("testenv: %w", err)
	}

	return func() error {
		if err := os.Remove(i.policy); err != nil {
			return fmt.Errorf("testenv: %w", err)
		}

		return nil
	}, nil
}
