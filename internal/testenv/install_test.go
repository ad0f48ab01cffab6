package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeInstaller records the commands, and whether services were held meanwhile.
type fakeInstaller struct {
	*installer

	commands []string
	held     []bool
	fail     error
}

func newFakeInstaller(t *testing.T) *fakeInstaller {
	t.Helper()

	dir := t.TempDir()
	fake := &fakeInstaller{}
	fake.installer = &installer{
		root:     true,
		apt:      "apt-get",
		policy:   filepath.Join(dir, "policy-rc.d"),
		clusters: filepath.Join(dir, "postgresql-common", "createcluster.conf"),
		run: func(_ context.Context, name string, args ...string) error {
			fake.commands = append(fake.commands, name+" "+strings.Join(args, " "))
			policy, err := os.ReadFile(fake.policy)
			fake.held = append(fake.held, err == nil && strings.Contains(string(policy), "exit 101"))

			return fake.fail
		},
	}

	return fake
}

func TestInstallHoldsServices(t *testing.T) {
	t.Parallel()

	fake := newFakeInstaller(t)
	if err := fake.install(t.Context(), []string{"postgresql", "pgbouncer"}); err != nil {
		t.Fatal(err)
	}

	if len(fake.commands) != 2 || !strings.HasPrefix(fake.commands[0], "apt-get update") ||
		!strings.HasSuffix(fake.commands[1], " postgresql pgbouncer") {
		t.Errorf("commands = %q", fake.commands)
	}

	if slices.Contains(fake.held, false) {
		t.Error("services were free to start during the installation")
	}

	if _, err := os.Stat(fake.policy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the policy was left behind: %v", err)
	}

	clusters, err := os.ReadFile(fake.clusters)
	if err != nil || !strings.Contains(string(clusters), "create_main_cluster = false") {
		t.Errorf("createcluster.conf = %q, %v", clusters, err)
	}
}

func TestInstallFailureRestores(t *testing.T) {
	t.Parallel()

	fake := newFakeInstaller(t)
	fake.fail = errors.New("no network")

	if err := fake.install(t.Context(), []string{"pgbouncer"}); !errors.Is(err, fake.fail) {
		t.Errorf("error = %v, want that of apt-get", err)
	}

	if _, err := os.Stat(fake.policy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the policy was left behind: %v", err)
	}
}

func TestInstallRespectsOwnPolicy(t *testing.T) {
	t.Parallel()

	fake := newFakeInstaller(t)

	const own = "#!/bin/sh\nexit 101 # the administrator's\n"
	if err := os.WriteFile(fake.policy, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := fake.install(t.Context(), []string{"pgbouncer"}); err != nil {
		t.Fatal(err)
	}

	if got, err := os.ReadFile(fake.policy); err != nil || string(got) != own {
		t.Errorf("the administrator's policy became %q, %v", got, err)
	}
}

func TestInstallRemovesPolicyOfKilledRun(t *testing.T) {
	t.Parallel()

	fake := newFakeInstaller(t)
	if err := os.WriteFile(fake.policy, []byte(denyServices), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := fake.install(t.Context(), []string{"pgbouncer"}); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(fake.policy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the policy was left behind: %v", err)
	}
}

func TestInstallRefusals(t *testing.T) {
	t.Parallel()

	user := newFakeInstaller(t)
	user.root = false

	if err := user.install(t.Context(), []string{"pgbouncer"}); err == nil ||
		!strings.Contains(err.Error(), "sudo apt-get install pgbouncer") {
		t.Errorf("error without root = %v", err)
	}

	other := newFakeInstaller(t)
	other.apt = ""

	if err := other.install(t.Context(), []string{"pgbouncer"}); err == nil ||
		!strings.Contains(err.Error(), "install by hand: pgbouncer") {
		t.Errorf("error without apt = %v", err)
	}

	if len(user.commands)+len(other.commands) > 0 {
		t.Error("something was run")
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()

	if err := needs([]string{"postgresql"}); err != nil {
		t.Errorf("a missing PostgreSQL alone is refused, though there are other sources: %v", err)
	}

	err := needs([]string{"postgresql", "pgbouncer"})
	if err == nil || !strings.Contains(err.Error(), "apt-get install postgresql pgbouncer") {
		t.Errorf("error = %v, want what to install", err)
	}
}
