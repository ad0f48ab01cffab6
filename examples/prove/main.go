// Command prove looks for ways around the isolation of tenants in any
// PostgreSQL database, with Partywall's wall or without, and prints the SQL
// that closes each. It changes nothing.
//
//	go run ./examples/prove -dsn URL [-role app] [-column tenant_id] [-secret table.column]… [-json | -sarif] [-allow file]
//
// It ends with 0 when nothing was found, 1 when something was, and 2 when it
// could not look.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation/prove"
)

// The exit statuses.
const (
	clean    = 0
	findings = 1
	usage    = 2
)

// timeout is how long a database has to answer.
const timeout = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// command is what was asked for.
type command struct {
	dsn, role, column, allow string
	secret                   []string
	json, sarif              bool
}

// errUsage quotes nothing of the arguments: a password may be in them.
var errUsage = errors.New("usage: prove -dsn URL [-role app] [-column tenant_id] [-secret table.column]... [-json | -sarif] [-allow file]")

func parse(args []string) (c command, err error) {
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.dsn, "dsn", "", "")
	flags.StringVar(&c.role, "role", "", "")
	flags.StringVar(&c.column, "column", "", "")
	flags.StringVar(&c.allow, "allow", "", "")
	flags.Func("secret", "", func(column string) error {
		c.secret = append(c.secret, column)
		return nil
	})
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.sarif, "sarif", false, "")
	if flags.Parse(args) != nil || flags.NArg() > 0 || c.dsn == "" || c.json && c.sarif {
		return c, errUsage
	}
	return c, nil
}

// run is the program, and returns its exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	c, err := parse(args)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, err) // there is nobody else to tell
		return usage
	}
	report, err := c.look(ctx)
	if err == nil {
		err = c.write(report, out)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errOut, err) // there is nobody else to tell
		return usage
	}
	if !report.Clean() {
		return findings
	}
	return clean
}

// look asks the database, and takes away what is allowed.
func (c command) look(ctx context.Context) (*prove.Report, error) {
	allowed, err := readAllowed(c.allow)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(c.dsn)
	if err != nil {
		return nil, errors.New("prove: -dsn is not a PostgreSQL connection string") // which the error would quote
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	report, err := prove.Catalog(ctx, conn, &prove.Options{Role: c.role, TenantColumn: c.column, Secret: c.secret})
	if err != nil {
		return nil, err
	}
	left, unused := report.Without(allowed)
	return left, prove.UnusedError(unused)
}

func (c command) write(report *prove.Report, to io.Writer) error {
	switch {
	case c.json:
		return report.WriteJSON(to)
	case c.sarif:
		return report.WriteSARIF(to)
	}
	return report.WriteTable(to)
}

// readAllowed reads a JSON array of findings that are meant.
func readAllowed(name string) ([]prove.Allow, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	var allowed []prove.Allow
	if err := json.Unmarshal(text, &allowed); err != nil {
		return nil, fmt.Errorf("prove: -allow: %w", err)
	}
	return allowed, prove.ValidateAllow(allowed)
}
