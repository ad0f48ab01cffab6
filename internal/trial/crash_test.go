package trial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// privateServer starts a server for one test to break. It keeps its promises
// over a crash.
func privateServer(t *testing.T) *pgserver.Server {
	t.Helper()
	server, err := pgserver.Start(t.Context(), &pgserver.Options{Settings: map[string]string{
		"fsync": "on", "full_page_writes": "on", "max_connections": "60", "shared_buffers": "16MB",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server
}

// siteOn is the database postgres of a private server.
func siteOn(t *testing.T, server *pgserver.Server) site {
	t.Helper()
	config, err := pgx.ParseConfig(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	return site{
		name: "postgres", superuser: server.URL("postgres"), in: server.URL,
		app: fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=disable", config.Host, config.Port, appRole),
		own: func(t testing.TB) string {
			t.Helper()
			made++
			name := fmt.Sprintf("own_%d", made)
			conn, err := pgx.Connect(t.Context(), server.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()
			if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
				t.Fatal(err)
			}
			return name
		},
	}
}

// TestServerCrash ends the server under load as a crash would, and brings it
// back. While it is away callers get errors, which of them [cause] says. What
// was acknowledged is there afterwards, what was not may be. The same DB goes
// on as soon as the server does.
func TestServerCrash(t *testing.T) {
	t.Parallel()
	server := privateServer(t)
	h := build(t, siteOn(t, server), mode.Mode{}, noteSchema)
	crowd := &victims{house: h, t: t, books: map[tenant.ID]*ledger{}, causes: map[string]int{}}
	for _, who := range h.who {
		crowd.books[who.ID] = &ledger{}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var working sync.WaitGroup
	for i := range 8 {
		working.Go(func() { crowd.write(ctx, int64(i+1)<<32) })
	}
	for crash := range 3 {
		crowd.await(&crowd.written, 200)
		if err := server.StopImmediate(t.Context()); err != nil {
			t.Fatal(err)
		}
		crowd.await(&crowd.failed, 16)
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		crowd.await(&crowd.written, 200)
		t.Logf("crash %d: %v", crash, crowd.causesSoFar())
	}
	stop()
	working.Wait()
	h.Close()
	h.quiet(t)
	for _, who := range h.who {
		crowd.books[who.ID].check(t, h, who)
	}
}

// victims are workers whose server goes away.
type victims struct {
	*house

	t               *testing.T
	books           map[tenant.ID]*ledger
	written, failed atomic.Int64

	mu     sync.Mutex
	causes map[string]int
}

// write inserts rows for all tenants in turn until ctx ends, and reads each
// back. Its statements outlive ctx, so that every one has an answer.
func (v *victims) write(ctx context.Context, next int64) {
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for ctx.Err() == nil {
		next++
		who := v.who[next%int64(len(v.who))]
		body := fmt.Sprintf("%s %d", who.Slug, next)
		inside := tenant.NewContext(v.t.Context(), who)
		_, err := v.Exec(inside, insertNote, next, who.Slug, body)
		v.books[who.ID].wrote(next, body, err == nil)
		if err == nil {
			v.written.Add(1)
			err = v.readBack(inside, who, next)
		}
		if err == nil {
			continue
		}
		v.note(err)
		v.failed.Add(1)
		select { // the server is down: no need to hammer at it
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

func (v *victims) readBack(ctx context.Context, who tenant.Tenant, id int64) error {
	var owner string
	var total, mine int
	err := v.QueryRow(ctx, `SELECT max(owner) FILTER (WHERE id = $1), count(*), count(*) FILTER (WHERE owner = $2) FROM note`,
		id, who.Slug).Scan(&owner, &total, &mine)
	if err != nil {
		return err
	}
	if owner != who.Slug || total != mine {
		v.t.Errorf("LEAK: %s sees %d rows, %d of them its own; row %d is of %q", who.Slug, total, mine, id, owner)
	}
	return nil
}

func (v *victims) note(err error) {
	name := cause(err)
	if name == "" {
		v.t.Errorf("an error that is not documented: %T %v", err, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.causes[name]++
}

func (v *victims) causesSoFar() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.causes)
}

// cause says in which of the documented ways a call failed whose server is
// away; none of them is specific to the wall:
//
//   - a PgError of class 57 (operator intervention): the server said goodbye,
//     or is starting up
//   - a ConnectError: there is nobody to connect to
//   - the connection broke: what was sent may or may not have happened
//   - ErrBusy: no connection came free in time
func cause(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if slices.Contains([]string{"57P01", "57P02", "57P03"}, pg.Code) {
			return "PgError " + pg.Code
		}
		return ""
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return "ConnectError"
	}
	_, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, isolation.ErrBusy):
		return "ErrBusy"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed), isNet:
		return "connection broke"
	}
	return ""
}

// await returns once n more of something have been counted.
func (v *victims) await(counter *atomic.Int64, n int64) {
	v.t.Helper()
	n += counter.Load()
	until(v.t, func() bool { return counter.Load() >= n })
}

// until returns once something is so. There is nobody who could tell it, so it
// has to look.
func until(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("did not happen within a minute")
		}
	}
}
