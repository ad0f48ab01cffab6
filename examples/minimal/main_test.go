package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
)

// asProgram in the environment makes the test's binary the program itself: it
// has to be a process of its own, since all that it knows is in its
// environment.
const asProgram = "MINIMAL_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestOrders runs the program and drives it over the wire, as two tenants, as
// one that there is not, and as nobody.
func TestOrders(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	owner := pgtest.Role(t, "minimal", "LOGIN SUPERUSER") // by whom its databases are known
	p := start(t, db.As(owner))

	for _, order := range []struct{ slug, item string }{{"acme", "tea"}, {"acme", "sugar"}, {"globex", "reactor"}} {
		if status, text := p.send(t, order.slug, url.Values{"item": {order.item}}); status != http.StatusOK {
			t.Errorf("%+v: %d %s", order, status, text)
		}
	}
	for slug, want := range map[string]string{"acme": "[tea sugar]\n", "globex": "[reactor]\n"} {
		if status, text := p.send(t, slug, nil); status != http.StatusOK || text != want {
			t.Errorf("%s: %d %q, want %q", slug, status, text, want)
		}
	}
	// What one tenant sends stays its own, whatever it says.
	if status, text := p.send(t, "globex", url.Values{"item": {"'); DELETE FROM orders; --"}, "tenant_id": {"1"}}); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
	if _, text := p.send(t, "acme", nil); text != "[tea sugar]\n" {
		t.Errorf("acme after globex: %q", text)
	}
	for _, slug := range []string{"", "initech"} {
		if status, text := p.send(t, slug, nil); status != http.StatusNotFound || strings.Contains(text, "tea") {
			t.Errorf("%q: %d %s", slug, status, text)
		}
	}

	p.interrupt(t)
	var left []string
	err := db.Conn(t).QueryRow(t.Context(), `SELECT array_agg(datname) FROM pg_database WHERE datdba = $1::regrole`, owner).Scan(&left)
	if err != nil || left != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestProgramIsShort keeps the first program one that is read in a minute.
func TestProgramIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines >= 60 {
		t.Errorf("main.go has %d lines", lines)
	}
}

// program is the program while it serves.
type program struct {
	cmd  *exec.Cmd
	port string
}

// start starts the program and reads where it serves.
func start(t *testing.T, database string) *program {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &program{cmd: exec.CommandContext(ctx, path)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "PORT=0", "DATABASE_URL="+database, "CATALOG_URL=", "APP_URL=", "MIGRATOR_URL=")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	m := regexp.MustCompile(`^curl -d item=tea http://acme\.localhost:(\d+)/orders; curl http://\{acme,globex\}\.localhost:(\d+)/orders\n$`).FindStringSubmatch(line)
	if m == nil || m[1] != m[2] {
		t.Fatalf("it says %q, %v", line, err)
	}
	p.port = m[1]
	return p
}

// interrupt has the program end as Ctrl-C does.
func (p *program) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("its status: %v", err)
	}
}

// send asks for a tenant's orders, or sends one.
func (p *program) send(t *testing.T, slug string, order url.Values) (status int, text string) {
	t.Helper()
	method := http.MethodGet
	if order != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+net.JoinHostPort("localhost", p.port)+"/orders", strings.NewReader(order.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if slug != "" {
		r.Host = slug + ".localhost:" + p.port
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}
