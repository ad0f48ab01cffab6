// Package pgbouncer runs a private PgBouncer in transaction mode in front of
// one PostgreSQL server that trusts its users, for tests.
//
// Every database and every role of the server can be reached through it, also
// those made after it was started: it looks roles up in the server. Like
// package pgserver it listens on a free port of 127.0.0.1, gives up root, and
// dies with its parent.
package pgbouncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/partywall/partywall/internal/process"
)

// portTries is how often a new port is tried when somebody else took the one
// that was free a moment ago.
const portTries = 5

// ErrNotFound is returned by [Find] and [Start] when this machine has no
// PgBouncer.
var ErrNotFound = errors.New("pgbouncer: found no pgbouncer in PATH or the sbin folders: apt-get install pgbouncer")

// Options adjusts [Start]. The zero value is fit for tests.
type Options struct {
	// Bin is the program. Defaults to what [Find] finds.
	Bin string

	// PoolSize is the number of server connections per database and user.
	// Defaults to 10.
	PoolSize int

	// MaxClients is the number of client connections. Defaults to 500.
	MaxClients int

	// TLS lets clients speak TLS, by a certificate that PgBouncer has signed
	// itself. Those that do not go on in the clear, and so does PgBouncer
	// towards the server.
	TLS bool

	// TempDir is where its folder is made. Defaults to os.TempDir().
	TempDir string
}

// Bouncer is one running PgBouncer.
type Bouncer struct {
	port   int
	dir    *process.Dir
	child  *process.Child
	remove func() error
}

// Find returns the program: the one in PATH, else one in the folders for
// system programs, which are not in everybody's PATH. It returns
// [ErrNotFound] when there is none.
func Find() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}

	for _, path := range []string{"/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}

	return "", ErrNotFound
}

// Start starts PgBouncer in front of the server that serverURL leads to, whose
// user must be a superuser without a password: PgBouncer looks up the other
// roles as that one. It returns when clients can connect. ctx bounds the start
// only: it runs until it is stopped or its parent dies.
func Start(ctx context.Context, serverURL string, options *Options) (*Bouncer, error) {
	filled := Options{}
	if options != nil {
		filled = *options
	}

	if filled.Bin == "" {
		bin, err := Find()
		if err != nil {
			return nil, err
		}

		filled.Bin = bin
	}

	filled.PoolSize = cmp.Or(filled.PoolSize, 10)
	filled.MaxClients = cmp.Or(filled.MaxClients, 500)

	target, err := url.Parse(serverURL)
	if err != nil {
		return nil, errors.New("pgbouncer: the server's URL cannot be parsed") // it may hold a password
	}

	bouncer, err := prepare(filled.TempDir)
	if err != nil {
		return nil, err
	}

	if err := bouncer.startOnFreePort(ctx, &filled, target); err != nil {
		return nil, errors.Join(err, bouncer.remove())
	}

	return bouncer, nil
}

// Addr returns host:port for clients.
func (b *Bouncer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// Stop ends PgBouncer and removes its folder. It breaks its clients'
// connections. A second Stop does nothing.
func (b *Bouncer) Stop(ctx context.Context) error {
	// It has no state that a gentler signal could save, and the gentle ones
	// changed their meaning in 1.23.
	err := b.child.Stop(ctx, syscall.SIGKILL)
	if err != nil {
		err = fmt.Errorf("pgbouncer: stop: %w", err)
	}

	return errors.Join(err, b.remove())
}

func prepare(tempDir string) (*Bouncer, error) {
	owner, err := process.Unprivileged()
	if err != nil {
		return nil, fmt.Errorf("pgbouncer: %w", err)
	}

	dir, err := process.NewDir("pgbouncer", tempDir, owner)
	if err != nil {
		return nil, fmt.Errorf("pgbouncer: %w", err)
	}

	return &Bouncer{dir: dir, remove: sync.OnceValue(dir.Remove)}, nil
}

// startOnFreePort settles the port. Between finding a free one and listening
// on it another process may take it.
func (b *Bouncer) startOnFreePort(ctx context.Context, options *Options, target *url.URL) error {
	var failed error

	modern, err := preparesStatements(ctx, options.Bin)
	if err != nil {
		return err
	}

	tls, err := b.certify(options.TLS)
	if err != nil {
		return fmt.Errorf("pgbouncer: %w", err)
	}

	for range portTries {
		port, err := process.FreePort(ctx)
		if err != nil {
			return fmt.Errorf("pgbouncer: %w", err)
		}

		b.port = port

		failed = b.start(ctx, options.Bin, configuration(options, target, port, modern)+tls)
		if failed == nil || !strings.Contains(failed.Error(), "ddress already in use") {
			break
		}
	}

	return failed
}

// certify makes a certificate, if there is to be one, and returns the lines of
// pgbouncer.ini that name it.
func (b *Bouncer) certify(wanted bool) (string, error) {
	if !wanted {
		return "", nil
	}

	cert, key, err := b.dir.WriteCertificate()

	return fmt.Sprintf("client_tls_sslmode = allow\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\n", cert, key), err
}

func (b *Bouncer) start(ctx context.Context, bin, config string) error {
	path, err := b.dir.WriteFile("pgbouncer.ini", config)
	if err != nil {
		return fmt.Errorf("pgbouncer: %w", err)
	}

	output, err := process.OpenLog(filepath.Join(b.dir.Path, "pgbouncer.log"))
	if err != nil {
		return fmt.Errorf("pgbouncer: %w", err)
	}
	defer func() { _ = output.Close() }()

	child, err := b.dir.Start(&process.Command{
		Path:        bin,
		Args:        []string{path},
		Env:         process.Environ("PG"),
		Stdout:      output.File(),
		Stderr:      output.File(),
		DeathSignal: syscall.SIGKILL,
	})
	if err != nil {
		return fmt.Errorf("pgbouncer: %w", err)
	}

	b.child = child

	if err := child.WaitReady(ctx, b.ready); err != nil {
		stopErr := child.Stop(ctx, syscall.SIGKILL)

		return fmt.Errorf("pgbouncer: start: %w\n%s", errors.Join(err, stopErr), output.Tail())
	}

	return nil
}

func (b *Bouncer) ready(ctx context.Context) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.Addr())
	if err != nil {
		return false
	}

	_ = conn.Close()

	return true
}

// configuration renders pgbouncer.ini. auth_type=any would log everybody in as
// one user, so it is trust; PgBouncer then wants to know the names of the
// roles, which tests make while it runs: it asks the server.
func configuration(options *Options, target *url.URL, port int, modern bool) string {
	lines := []string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%s", target.Hostname(), cmp.Or(target.Port(), "5432")),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		fmt.Sprintf("listen_port = %d", port),
		"unix_socket_dir =",
		"pool_mode = transaction",
		"auth_type = trust",
		"auth_user = " + target.User.Username(),
		"auth_query = SELECT rolname, ''::text FROM pg_catalog.pg_roles WHERE rolname = $1",
		"admin_users = " + target.User.Username(),
		fmt.Sprintf("default_pool_size = %d", options.PoolSize),
		fmt.Sprintf("max_client_conn = %d", options.MaxClients),
		"ignore_startup_parameters = extra_float_digits",
		// Each test has its own database, so a pool is soon of no use.
		"server_idle_timeout = 10",
		"log_connections = 0",
		"log_disconnections = 0",
	}

	if modern {
		lines = append(lines, "max_prepared_statements = 200")
	}

	return strings.Join(lines, "\n") + "\n"
}

// preparesStatements reports whether this version follows prepared statements
// through transaction mode, which it does since 1.21.
func preparesStatements(ctx context.Context, bin string) (bool, error) {
	output, err := exec.CommandContext(ctx, bin, "--version").Output()
	if err != nil {
		return false, fmt.Errorf("pgbouncer: %s --version: %w", bin, err)
	}

	var major, minor int
	if _, err := fmt.Sscanf(string(output), "PgBouncer %d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("pgbouncer: version %q: %w", output, err)
	}

	return major > 1 || minor >= 21, nil
}
