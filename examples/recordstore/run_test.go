package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/internal/redistest"
)

// environment is one in which servers are to be had, and an empty folder.
func environment(t *testing.T, url string) func(string) string {
	t.Helper()
	all := map[string]string{"DATABASE_URL": url, "REDIS_URL": "redis://" + redistest.Addr(t), "TMPDIR": t.TempDir()}
	return func(name string) string { return all[name] }
}

// TestCheck runs the command as people do, and works the sums out on its own.
func TestCheck(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-check"}, environment(t, pgtest.New(t, nil).URL), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	sample := records.Sample(12)
	var total money.Amount
	for _, l := range sample.Lines {
		total += l.UnitPrice * money.Amount(l.Quantity)
	}
	want := fmt.Sprintf("\ncheck: 12 tenants, %d invoices, %s total, 0 leaks, ok\n", len(sample.Invoices), total)
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("the output does not end in%s%s", want, &out)
	}
	raids := regexp.MustCompile(`(?m)^  (?:cache|bucket): .* is robbed     holds$`).FindAllString(out.String(), -1)
	if len(raids) != 23 {
		t.Errorf("%d raids that rob a naive host and not this one, want 23:\n%s", len(raids), &out)
	}
}

// TestCheckOfFiles does the same with a folder of CSV files.
func TestCheckOfFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"artist.csv":       "artist_id,name\n1,Brick Quartet\n",
		"genre.csv":        "genre_id,name\n1,Jazz\n",
		"media_type.csv":   "media_type_id,name\n1,Vinyl\n",
		"album.csv":        "album_id,title,artist_id\n1,Mortar Suite,1\n",
		"track.csv":        "track_id,name,album_id,media_type_id,genre_id,composer,milliseconds,unit_price\n1,Plumb,1,1,1,,90000,0.99\n",
		"customer.csv":     "customer_id,first_name,last_name,company,city,country,email\n1,Inês,Costa,,Porto,Portugal,i@example.com\n2,Jakub,Novák,,Brno,Czech Republic,j@example.com\n",
		"invoice.csv":      "invoice_id,customer_id,invoice_date,total\n1,1,2021-01-01 00:00:00,1.98\n2,2,2022-02-28 00:00:00,0.99\n3,2,2022-03-01 00:00:00,0.99\n",
		"invoice_line.csv": "invoice_line_id,invoice_id,track_id,unit_price,quantity\n1,1,1,0.99,2\n2,2,1,0.99,1\n3,3,1,0.99,1\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	getenv := environment(t, pgtest.New(t, nil).URL)
	inside := func(name string) string { // with the Redis that the program brings along
		if name == "REDIS_URL" {
			return ""
		}
		return getenv(name)
	}
	err := run(t.Context(), []string{"-check", "-data", folder}, inside, &out)
	if want := "\ncheck: 2 tenants, 3 invoices, 3.96 total, 0 leaks, ok\n"; err != nil || !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %v, want%s%s", err, want, &out)
	}
}

// TestRunRefuses asks for what cannot be. None of it gets as far as a server,
// which is as well: there is none.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	nowhere := environment(t, "nonsense")
	for name, c := range map[string]struct {
		args []string
		is   error
		says string
	}{
		"help":            {[]string{"-h"}, flag.ErrHelp, ""},
		"an unknown flag": {[]string{"-dta", "x"}, nil, "-dta"},
		"a stray word":    {[]string{"-check", "now"}, nil, `"now" is no flag`},
		"no such folder":  {[]string{"-data", filepath.Join(t.TempDir(), "none")}, fs.ErrNotExist, "none: records: open artist.csv"},
		"no server":       {nil, nil, "not a postgres:// URL"},
	} {
		err := run(t.Context(), c.args, nowhere, io.Discard)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestServe serves the sample at an address that is taken, does all that the
// greeting and the page say, and interrupts it.
func TestServe(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	admin := pgtest.New(t, nil)
	getenv := environment(t, admin.URL+"&application_name="+admin.Name)
	s := start(t, getenv, "-addr", taken.Addr().String())
	if want := taken.Addr().String() + " is not to be had"; !strings.HasPrefix(s.greeting, want) {
		t.Errorf("the greeting does not begin with %q:\n%s", want, s.greeting)
	}
	conn := admin.Conn(t)
	suffix := suffixOf(t, conn, admin.Name)
	if n := count(t, conn, suffix); n < 6 { // the catalog, the stores, three stores' own, and a role
		t.Errorf("%d databases and roles while it serves", n)
	}

	for slug, strategy := range map[string]string{"flip-side": "shared", "blue-note": "schema", "deep-cuts": "database"} {
		const steps = `tenant \d+ ms, database \d+ ms, (\w+ \d+ ms, ){4}seed \d+ ms, verify \d+ ms, activate \d+ ms, active after \d+ ms`
		if !regexp.MustCompile(`(?m)^  ` + slug + ` \(` + strategy + `\): ` + steps + `$`).MatchString(s.greeting) {
			t.Errorf("no line of steps for %s:\n%s", slug, s.greeting)
		}
	}

	commands := regexp.MustCompile(`(?m)^  (curl .*)$`).FindAllStringSubmatch(strings.ReplaceAll(s.greeting, "\\\n", ""), -1)
	statuses(t, commands, http.StatusOK, http.StatusOK, http.StatusCreated, http.StatusForbidden, http.StatusForbidden)
	page := get(t, regexp.MustCompile(`http://localhost:\d+/`).FindString(s.greeting))
	commands = regexp.MustCompile(`<code>(curl .*)</code>`).FindAllStringSubmatch(html.UnescapeString(page), -1)
	statuses(t, commands, http.StatusForbidden, http.StatusNotFound, http.StatusNotFound)
	page = get(t, regexp.MustCompile(`http://[a-z-]+\.localhost:\d+/catalogue`).FindString(s.greeting))
	commands = regexp.MustCompile(`<code>(curl .*)</code>`).FindAllStringSubmatch(html.UnescapeString(page), -1)
	statuses(t, commands, http.StatusNoContent)
	if page := get(t, regexp.MustCompile(`http://[a-z-]+\.localhost:\d+/`).FindString(s.greeting)); !strings.Contains(page, "Total sales") {
		t.Errorf("the page of a store is\n%s", page)
	}

	s.interrupt()
	rest, err := io.ReadAll(s.rest)
	if err != nil || string(rest) != "\nClosing the stores.\n" {
		t.Errorf("after the interrupt: %q, %v", rest, err)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	if n := count(t, conn, suffix); n != 0 {
		t.Errorf("%d databases and roles are left behind", n)
	}
	if left, err := os.ReadDir(getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("files are left behind: %v, %v", left, err)
	}
}

// served is the command while it serves.
type served struct {
	greeting  string
	rest      io.Reader // what it says after the greeting
	interrupt func()
	done      chan error
}

// start runs the command and reads what it has to say at first.
func start(t *testing.T, getenv func(string) string, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, w := io.Pipe()
	s := &served{interrupt: cancel, done: make(chan error, 1)}
	go func() {
		err := run(ctx, args, getenv, w)
		s.done <- err
		_ = w.CloseWithError(err)
	}()
	out := bufio.NewReader(r)
	for !strings.HasSuffix(s.greeting, "Ctrl-C ends it all.\n") {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("%v\n%s", err, s.greeting)
		}
		s.greeting += line
	}
	s.rest = out
	return s
}

// suffixOf finds what the command's names end in, by its connections.
func suffixOf(t *testing.T, conn *pgx.Conn, application string) string {
	t.Helper()
	var suffix string
	err := conn.QueryRow(t.Context(), `SELECT DISTINCT right(datname, 9) FROM pg_stat_activity
		WHERE application_name = $1 AND datname LIKE 'catalog\_%'`, application).Scan(&suffix)
	if err != nil {
		t.Fatal(err)
	}
	return suffix
}

// count counts databases and roles by the end of their names.
func count(t *testing.T, conn *pgx.Conn, suffix string) (n int) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `SELECT count(*) FROM (
		SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles) AS x (name) WHERE right(name, 9) = $1`, suffix).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInterruptAtAnyTime ends the command while it is still building. Whatever
// it is at, no database is left behind.
func TestInterruptAtAnyTime(t *testing.T) {
	t.Parallel()
	admin := pgtest.New(t, nil)
	conn := admin.Conn(t)
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond} {
		owner := pgtest.Role(t, "recordstore", "LOGIN SUPERUSER")
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err := run(ctx, []string{"-addr", "127.0.0.1:0"}, environment(t, admin.As(owner)), io.Discard)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Logf("after %v: %v", after, err)
		}
		var left []string
		err = conn.QueryRow(t.Context(), `SELECT array_agg(datname) FROM pg_database WHERE datdba = $1::regrole`, owner).Scan(&left)
		if err != nil || left != nil {
			t.Errorf("after %v: left behind: %q, %v", after, left, err)
		}
	}
}
