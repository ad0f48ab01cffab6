package provisioning_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// TestStoppedWorker stops a worker process within a step, and while it has its
// operation locked, for longer than its lease, has another take everything back,
// and wakes the first: it makes nothing any more, and works on as if nothing had
// been.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	for plan, point := range map[tenant.Plan]string{"free": "seeding", "pro": "migrating", "max": "migrated", "basic": "locked"} {
		t.Run(string(plan)+" "+point, func(t *testing.T) {
			t.Parallel()
			h := site(t)
			h.bystander(t)
			doomed := tenant.Spec{Slug: "acme", Plan: plan, Labels: tenant.NewLabels(map[string]string{"doomed": "yes"})}
			op, err := h.engine.Provision(t.Context(), doomed, nil)
			if err != nil {
				t.Fatal(err)
			}
			asleep := h.employAs(t, orders{Sleep: point})
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(asleep.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
				t.Fatalf("the worker did not stop at %q: %v, %v", point, status, err)
			}
			other := h.employ(t, "")
			h.settled(t, op, doomed)
			_ = other.Process.Kill()
			_ = other.Wait() // it was killed
			if err := asleep.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			next := tenant.Spec{Slug: "globex", Plan: "free"}
			if op, err = h.engine.Provision(t.Context(), next, nil); err != nil {
				t.Fatal(err)
			}
			if point == "seeding" || point == "locked" { // where it would stop again
				_ = asleep.Process.Kill()
				asleep = h.employ(t, "")
			}
			h.settled(t, op, next)
			_ = asleep.Process.Kill()
			_, _ = asleep.Process.Wait() // it was killed
			h.nothingElse(t, false)
		})
	}
}

// TestServerCrashes ends the server of the catalog and of the data as a crash
// would, again and again, while tenants are made, doomed ones among them, and
// ended.
func TestServerCrashes(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), &pgserver.Options{Settings: map[string]string{
		"max_connections": "100", "shared_buffers": "16MB", // without fsync: the machine lives on
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	h := &house{catalog: server.URL("catalog"), data: server.URL("data"), prefix: "t_"}
	admin, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"catalog", "data"} {
		if _, err := admin.Exec(t.Context(), `CREATE DATABASE `+name); err != nil {
			t.Fatal(err)
		}
	}
	_ = admin.Close(t.Context()) // it has done its work
	h.open(t, func(o *provisioning.Options) {
		o.Backoff = func(int) time.Duration { return 20 * time.Millisecond }
		o.Logger = slog.New(slog.DiscardHandler)
	})
	var over atomic.Bool
	ended := make(chan struct{})
	var lived int
	var hosts sync.WaitGroup
	for n := range 4 {
		hosts.Go(func() {
			for i := 0; !over.Load(); i++ {
				h.outlive(t, "acme-"+strconv.Itoa(n)+"-"+strconv.Itoa(i), i)
				ended <- struct{}{}
			}
		})
	}
	for range 4 {
		for range 3 {
			<-ended
			lived++
		}
		if err := server.StopImmediate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	over.Store(true)
	go func() {
		hosts.Wait()
		close(ended)
	}()
	for range ended {
		lived++
	}
	h.nothingElse(t, false)
	t.Logf("%d tenants lived through it", lived)
}

// outlive makes a tenant, and asks again for as long as the server is away.
func (h *house) outlive(t *testing.T, slug string, i int) {
	t.Helper()
	spec := tenant.Spec{Slug: slug, Plan: []tenant.Plan{"free", "pro", "max"}[i%3]}
	doomed := i%4 == 3
	if doomed {
		spec.Labels = tenant.NewLabels(map[string]string{"doomed": "yes"})
	}
	request := &provisioning.Request{Key: slug}
	for t.Context().Err() == nil {
		op, err := h.engine.Provision(t.Context(), spec, request)
		if err != nil {
			continue // the server is away
		}
		var o provisioning.Operation
		if _, err = op.Wait(t.Context()); err != nil {
			if o, err = h.engine.Get(t.Context(), op.ID()); err != nil || !o.State.Ended() {
				continue // as above
			}
		}
		if undone := o.State == provisioning.Undone; undone != doomed {
			t.Errorf("%s: undone %v, doomed %v: %s", slug, undone, doomed, fmt.Sprint(o.Reason))
		}
		return
	}
}
