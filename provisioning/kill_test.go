package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/childtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// orders of what a worker process is to do.
type orders struct {
	Catalog string `json:"catalog"`
	Data    string `json:"data"`
	Prefix  string `json:"prefix"`
	Spares  int    `json:"spares"`
	// Die and Sleep name the points within a step at which the process kills
	// itself, and stops itself.
	Die   string `json:"die"`
	Sleep string `json:"sleep"`
}

// TestMain is a worker, where it was told to be one, until it is killed.
func TestMain(m *testing.M) {
	childtest.Main(m, func(ctx context.Context, o orders) error {
		h := &house{catalog: o.Catalog, data: o.Data, prefix: o.Prefix, spares: o.Spares}
		h.reached = func(point string) {
			switch point {
			case o.Die:
				childtest.Die()
			case o.Sleep:
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // it returns when somebody wakes the process
			}
		}
		if _, err := h.start(ctx, hasty(), nil); err != nil {
			return err
		}
		childtest.Work()
		return nil
	})
}

// hasty are options under which a dead worker is soon given up on.
func hasty() *provisioning.Options {
	o := quick()
	o.Lease = 800 * time.Millisecond
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

// employ starts a worker process, and returns when it works.
func (h *house) employ(t testing.TB, die string) *exec.Cmd {
	t.Helper()
	return h.employAs(t, orders{Die: die})
}

func (h *house) employAs(t testing.TB, o orders) *exec.Cmd {
	t.Helper()
	o.Catalog, o.Data, o.Prefix, o.Spares = h.catalog, h.data, h.prefix, h.spares
	return childtest.StartWorking(t, o)
}

// bystander is an engine that only starts operations and follows them.
func (h *house) bystander(t testing.TB) {
	t.Helper()
	h.open(t, func(o *provisioning.Options) { o.Workers = -1 })
}

// TestKilledAtEveryPoint kills the worker after each thing that it writes down,
// and within each step, for every strategy, on the way forward and on the way
// back. Each time another goes on. Every tenant ends as it should, with one
// order, and nothing is left of those that were doomed. Half of it is for
// PARTYWALL_SOAK=full.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	for plan := range plans() {
		for _, doomed := range []bool{false, true} {
			if sample := plan != "pro"; os.Getenv("PARTYWALL_SOAK") != "full" && doomed != sample {
				continue
			}
			t.Run(fmt.Sprint(plan, " doomed=", doomed), func(t *testing.T) {
				t.Parallel()
				h := site(t)
				h.bystander(t)
				spec := tenant.Spec{Slug: "acme", Plan: plan}
				if doomed {
					spec.Labels = tenant.NewLabels(map[string]string{"doomed": "yes"})
				}
				h.killAfterEachEvent(t, spec)
				for i, point := range []string{"migrating", "migrated", "seeding", "seeded", "verified"} {
					if plan == "free" && i < 2 {
						continue // which shares tables that are there
					}
					spec.Slug = "acme-" + point
					h.dieAt(t, point, spec)
				}
				h.nothingElse(t, doomed)
			})
		}
	}
}

// killAfterEachEvent runs one operation, and kills its worker after each event.
func (h *house) killAfterEachEvent(t *testing.T, spec tenant.Spec) {
	t.Helper()
	op, err := h.engine.Provision(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	type moment struct {
		what provisioning.EventType
		step string
	}
	seen := map[moment]bool{{what: provisioning.Requested}: true}
	for ended := false; !ended; {
		worker := h.employ(t, "")
		ended = true
		for v, err := range h.engine.Events(t.Context(), op.ID(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			// What a step is begun with again is nothing new.
			if m := (moment{v.Type, v.Step}); !seen[m] && v.Type != provisioning.TakenOver {
				seen[m], ended = true, false
				break
			}
		}
		_ = worker.Process.Kill()
		_ = worker.Wait() // it was killed
		h.notRoutable(t, op.ID())
	}
	h.settled(t, op, spec)
}

// dieAt runs one operation whose first worker kills itself at a point.
func (h *house) dieAt(t *testing.T, point string, spec tenant.Spec) {
	t.Helper()
	op, err := h.engine.Provision(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := h.employ(t, point)
	if err := first.Wait(); err == nil || first.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL { //nolint:forcetypeassert // it is, on what we run on
		t.Errorf("the worker did not come to %q: %v", point, err)
	}
	second := h.employ(t, "")
	h.settled(t, op, spec)
	_ = second.Process.Kill()
	_ = second.Wait() // it was killed
}

// notRoutable makes sure that a tenant is not let in before it is active.
func (h *house) notRoutable(t *testing.T, id provisioning.ID) {
	t.Helper()
	o, err := h.engine.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	who, err := h.tenants.Refresh(t.Context(), tenant.ByID(o.Tenant))
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.db.Exec(tenant.NewContext(t.Context(), who), `SELECT 1`)
	if who.Status != tenant.Active && err == nil {
		t.Errorf("a tenant that is %s is let in", who.Status)
	}
	if o.State != provisioning.Succeeded && o.State != provisioning.Running && who.Status == tenant.Active {
		t.Errorf("a tenant is active whose operation is %s", o.State)
	}
}

// settled waits for an operation and makes sure that it ended as it should.
func (h *house) settled(t *testing.T, op provisioning.Handle[provisioning.Born], spec tenant.Spec) {
	t.Helper()
	_, doomed := spec.Labels.Get("doomed")
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute) // for ever would hide which it was
	defer stop()
	born, err := op.Wait(ctx)
	var undone *provisioning.UndoneError
	if doomed {
		if !errors.As(err, &undone) {
			t.Errorf("%s ended with %v", spec.Slug, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s ended with %v", spec.Slug, err)
		return
	}
	who, err := h.tenants.Refresh(t.Context(), tenant.ByID(born.Tenant))
	if err != nil || who.Status != tenant.Active {
		t.Fatalf("%+v, %v", who, err)
	}
	if got := h.orders(t, who); got != "welcome" {
		t.Errorf("%s: orders are %q", spec.Slug, got)
	}
}

// nothingElse makes sure that there is nothing on the server but what belongs
// to tenants that are active.
func (h *house) nothingElse(t *testing.T, none bool) {
	t.Helper()
	var wantOwn, wantShared, open int
	if err := h.pool.QueryRow(t.Context(), `SELECT count(*) FROM partywall_operations.spare`).Scan(&wantOwn); err != nil {
		t.Fatal(err)
	}
	for who, err := range h.tenants.All(t.Context(), tenant.Query{Status: []tenant.Status{tenant.Active}}) {
		if err != nil {
			t.Fatal(err)
		}
		switch who.Placement.Strategy {
		case tenant.Shared:
			wantShared += 2 // an order, and that it was given
		case tenant.Schema:
			wantOwn, wantShared = wantOwn+1, wantShared+1
		case tenant.Database:
			wantOwn++
		}
	}
	if own, shared := h.places(t); own != wantOwn || shared != wantShared || none && own+shared > 0 {
		t.Errorf("%d places and %d rows, want %d and %d", own, shared, wantOwn, wantShared)
	}
	err := h.pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM partywall_operations.operation WHERE ended_at IS NULL)
		     + (SELECT count(*) FROM partywall_catalog.tenant WHERE status NOT IN ('active', 'deleted'))`).Scan(&open)
	if err != nil || open > 0 {
		t.Errorf("%d operations or tenants are halfway, %v", open, err)
	}
}

// await asks until the answer is yes.
func (h *house) await(t testing.TB, question string, args ...any) {
	t.Helper()
	for yes := false; !yes; {
		if err := h.pool.QueryRow(t.Context(), question, args...).Scan(&yes); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSoakKills kills workers at random moments while tenants are made, doomed
// ones among them, and ended: 10 times, and 1,000 times with
// PARTYWALL_SOAK=full.
func TestSoakKills(t *testing.T) {
	t.Parallel()
	kills := 10
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		kills = 1000
	}
	h := site(t)
	h.spares = 2
	h.bystander(t)
	var over atomic.Bool
	var hosts sync.WaitGroup
	var made, undone, removed atomic.Int64
	for n := range 6 {
		hosts.Go(func() {
			for i := 0; !over.Load(); i++ {
				h.liveAndDie(t, fmt.Sprintf("acme-%d-%d", n, i), &made, &undone, &removed)
			}
		})
	}
	workers := []*exec.Cmd{h.employ(t, ""), h.employ(t, ""), h.employ(t, "")}
	for i := range kills {
		var told int64
		if err := h.pool.QueryRow(t.Context(), `SELECT count(*) FROM partywall_operations.event`).Scan(&told); err != nil {
			t.Fatal(err)
		}
		h.await(t, `SELECT count(*) > $1 FROM partywall_operations.event`, told+rand.Int64N(60))
		at := i % len(workers)
		_ = workers[at].Process.Kill()
		_ = workers[at].Wait() // it was killed
		workers[at] = h.employ(t, "")
	}
	over.Store(true)
	hosts.Wait()
	h.await(t, `SELECT NOT EXISTS (SELECT FROM partywall_operations.operation WHERE ended_at IS NULL) AND
		(SELECT count(*) = $1 FROM partywall_operations.spare WHERE state = 'ready')`, 2*h.spares)
	for _, w := range workers {
		_ = w.Process.Kill()
		_ = w.Wait() // it was killed
	}
	h.nothingElse(t, false)
	t.Logf("%d kills: %d tenants made, %d undone, %d removed", kills, made.Load(), undone.Load(), removed.Load())
}

// liveAndDie makes a tenant, which may be doomed, and ends every second.
func (h *house) liveAndDie(t *testing.T, slug string, made, undone, removed *atomic.Int64) {
	t.Helper()
	dice := rand.IntN(6)
	spec := tenant.Spec{Slug: slug, Plan: []tenant.Plan{"free", "pro", "max"}[dice%3]}
	if rand.IntN(4) == 0 {
		spec.Labels = tenant.NewLabels(map[string]string{"doomed": "yes"})
	}
	op, err := h.engine.Provision(t.Context(), spec, nil)
	if err != nil {
		t.Error(err)
		return
	}
	h.settled(t, op, spec)
	if spec.Labels.Len() > 0 {
		undone.Add(1)
		return
	}
	made.Add(1)
	if dice < 3 {
		return
	}
	born, err := op.Wait(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	gone, err := h.engine.Remove(t.Context(), born.Tenant, 0, nil)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := gone.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	removed.Add(1)
}
