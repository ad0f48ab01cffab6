package isolation_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// node opens the house's servers once more, as another process would.
func (h *house) node(t testing.TB) *isolation.DB {
	t.Helper()
	db, err := isolation.Open(t.Context(), h.tenants, h.servers, h.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// writers write for a tenant on many nodes at once, and count what was
// acknowledged.
type writers struct {
	working sync.WaitGroup
	next    atomic.Int64
	acked   atomic.Int64
	unknown atomic.Int64 // ended between COMMIT and its answer, perhaps
	refused atomic.Int64
	busy    chan struct{} // closed once they are all at it
}

func (w *writers) start(ctx context.Context, nodes []*isolation.DB, each int) {
	w.busy = make(chan struct{})
	for _, db := range nodes {
		for range each {
			w.working.Go(func() {
				for ctx.Err() == nil {
					_, err := db.Exec(ctx, `INSERT INTO orders (id, item) VALUES ($1, 'load')`, 1000+w.next.Add(1))
					switch {
					case err == nil:
						if w.acked.Add(1) == busyWrites {
							close(w.busy)
						}
					case errors.Is(err, isolation.ErrFenced):
						w.refused.Add(1)
						return
					default:
						w.unknown.Add(1)
					}
				}
			})
		}
	}
}

// busyWrites is how many writes it takes for all to be at it.
const busyWrites = 50

// TestDrain shuts tenants out under writers on two nodes, in every strategy,
// and lets them in again.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){"direct": func(*house) {}, "pooled": (*house).pool} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, func(h *house) {
				h.opts.FenceWait = -1
				change(h)
			})
			nodes := []*isolation.DB{h.DB, h.node(t)}
			for _, slug := range []string{"acme", "initech", "umbrella"} {
				h.drainUnderLoad(t, slug, nodes)
			}
		})
	}
}

func (h *house) drainUnderLoad(t *testing.T, slug string, nodes []*isolation.DB) {
	t.Helper()
	var w writers
	ctx, stop := context.WithTimeout(h.as(t, slug), time.Minute)
	defer stop()
	w.start(ctx, nodes, 4)
	select {
	case <-w.busy:
	case <-ctx.Done():
		t.Fatalf("%s: %d writes and no more", slug, w.acked.Load())
	}
	who := h.who[slug]
	drained, err := h.Drain(t.Context(), who, nil)
	if err != nil {
		t.Fatal(err)
	}
	stood := h.count(t, slug)
	w.working.Wait()
	if settled := h.count(t, slug); settled != stood {
		t.Errorf("%s: %d rows when the drain was over, %d later", slug, stood, settled)
	}
	rows := int64(stood)
	if acked := w.acked.Load(); rows < acked || rows > acked+w.unknown.Load() {
		t.Errorf("%s: %d rows, %d acknowledged and %d unknown", slug, rows, acked, w.unknown.Load())
	}
	if w.refused.Load() != 8 {
		t.Errorf("%s: %d of 8 writers were told", slug, w.refused.Load())
	}
	if drained.Ended > 0 || w.unknown.Load() > 0 {
		t.Errorf("%s: %d sessions were ended, though all nodes answer; %d writes failed", slug, drained.Ended, w.unknown.Load())
	}
	if f, err := h.Fence(t.Context(), who); err != nil || f != (isolation.Fence{Epoch: who.Placement.Epoch, State: isolation.FenceShut}) {
		t.Errorf("%s: the fence is %+v, %v", slug, f, err)
	}
	t.Logf("%s: drained in %s", slug, drained.Took)
	h.letIn(t, slug)
}

// letIn lets a drained tenant in again: not by the epoch that was drained, and
// by the next one.
func (h *house) letIn(t *testing.T, slug string) {
	t.Helper()
	who := h.who[slug]
	var fenced *isolation.FencedError
	if err := h.Activate(t.Context(), who); !errors.As(err, &fenced) {
		t.Errorf("%s: by the epoch that was drained: %v", slug, err)
	}
	if _, err := h.Drain(t.Context(), who, nil); err != nil {
		t.Errorf("%s: draining once more: %v", slug, err)
	}
	if _, err := h.tenants.Maintain(t.Context(), who.ID, "a move"); err != nil {
		t.Fatal(err)
	}
	moved, err := h.tenants.Activate(t.Context(), who.ID)
	if err != nil {
		t.Fatal(err)
	}
	h.who[slug] = moved
	if err := h.Activate(t.Context(), moved); err != nil {
		t.Errorf("%s: by the next epoch: %v", slug, err)
	}
	if err := h.Activate(t.Context(), moved); err != nil {
		t.Errorf("%s: once more: %v", slug, err)
	}
	if _, err := h.Drain(t.Context(), who, nil); !errors.As(err, &fenced) || fenced.Want != moved.Placement.Epoch {
		t.Errorf("%s: draining by old news: %v", slug, err)
	}
	if _, err := h.Exec(h.as(t, slug), `INSERT INTO orders (id, item) VALUES (2, 'after')`); err != nil {
		t.Errorf("%s: writing afterwards: %v", slug, err)
	}
}

// TestDrainWaitsForATransaction gives what is under way its time, and then
// ends it.
func TestDrainWaitsForATransaction(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { h.opts.FenceWait = -1 })
	acme := h.as(t, "acme")
	for _, ends := range []bool{true, false} {
		tx, err := h.Begin(acme)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(acme, `UPDATE orders SET item = 'changed'`); err != nil {
			t.Fatal(err)
		}
		grace := 200 * time.Millisecond
		if ends {
			grace = time.Minute
			time.AfterFunc(50*time.Millisecond, func() { _ = tx.Commit(acme) })
		}
		drained, err := h.Drain(t.Context(), h.who["acme"], &isolation.DrainOptions{Grace: grace})
		if want := map[bool]int64{true: 0, false: 1}[ends]; err != nil || drained.Ended != want {
			t.Errorf("ends %v: %+v, %v", ends, drained, err)
		}
		if !ends {
			if err := tx.Commit(acme); err == nil {
				t.Error("a transaction that was ended commits")
			}
		}
		h.letIn(t, "acme")
		if _, err := h.Exec(acme, `DELETE FROM orders WHERE id = 2`); err != nil {
			t.Error(err)
		}
	}
}

// The environment that tells a child which node it is.
const (
	nodeURL = "PARTYWALL_TEST_NODE_URL"
	nodeWho = "PARTYWALL_TEST_NODE_WHO"
)

// stuck is a catalog that has heard of nothing since.
type stuck struct{ tenant.Tenant }

func (s stuck) Lookup(context.Context, tenant.Key) (tenant.Tenant, error)  { return s.Tenant, nil }
func (s stuck) Refresh(context.Context, tenant.Key) (tenant.Tenant, error) { return s.Tenant, nil }
func (stuck) Subscribe(func(tenant.Event)) (cancel func())                 { return func() {} }

// firstStuck is the id of the first row that the node writes.
const firstStuck = 10_000

// TestStoppedChild is a node that believes for ever that the tenant is its own.
// On its own it is no test. It says what becomes of each write.
func TestStoppedChild(t *testing.T) {
	t.Parallel()
	url, who := os.Getenv(nodeURL), os.Getenv(nodeWho)
	if url == "" {
		return
	}
	number, err := strconv.ParseInt(who, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	me := tenant.Tenant{
		ID: tenant.NewID(time.Now()), Number: number, Slug: "acme", Status: tenant.Active,
		Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared, Epoch: 1},
	}
	migrator, app, _ := strings.Cut(url, " ")
	db, err := isolation.Open(t.Context(), stuck{me}, isolation.Servers{"eu-1": {App: app, Migrator: migrator}}, &isolation.Options{FenceWait: -1, AcquireTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tenant.NewContext(t.Context(), me)
	for n := 0; ; n++ {
		_, err := db.Exec(ctx, `INSERT INTO orders (id, item) VALUES ($1, 'load')`, firstStuck+int64(n))
		fmt.Println("write", n, err == nil) // its parent reads it
	}
}

// stoppedTries is how many writes of a node that was cut off have to be refused.
func stoppedTries() int {
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		return 100_000
	}
	return 500
}

// TestSoakStoppedNodeIsCutOff stops a node while it holds a connection that is
// bound to a tenant, drains the tenant, and lets the node go on: none of its
// writes is accepted any more.
func TestSoakStoppedNodeIsCutOff(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { h.opts.FenceWait = -1 })
	who := h.who["acme"]
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestStoppedChild$", "-test.timeout=0")
	child.Env = append(os.Environ(), nodeURL+"="+h.data.URL+" "+h.data.As(appRole), nodeWho+"="+strconv.FormatInt(who.Number, 10))
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		kill()
		_ = child.Wait() // it was killed
	}()
	node := &writing{lines: bufio.NewScanner(out)}
	for range 50 {
		node.next(t)
	}
	if len(node.acked) < 40 {
		t.Fatalf("the node had %d of 50 writes accepted", len(node.acked))
	}
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	drained, err := h.Drain(t.Context(), who, &isolation.DrainOptions{Grace: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	stood := h.count(t, "acme")
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	tries, late := 0, 0
	for tries < stoppedTries() {
		// What was accepted before the stop may still be in the pipe.
		if n, accepted := node.next(t); n >= stood {
			tries++
			late += map[bool]int{true: 1}[accepted]
		}
	}
	if late != 0 {
		t.Errorf("%d writes were accepted after the drain", late)
	}
	if now := h.count(t, "acme"); now != stood {
		t.Errorf("%d rows after the drain, %d now", stood, now)
	}
	if there := h.ids(t, "acme"); !containsAll(there, node.acked) {
		t.Errorf("of %d acknowledged writes some are not among the %d rows", len(node.acked), len(there))
	}
	t.Logf("drained in %s, %d sessions ended; %d writes acknowledged before, %d refused after", drained.Took, drained.Ended, len(node.acked), tries)
}

// writing is what a node says of its writes.
type writing struct {
	lines *bufio.Scanner
	acked []int64 // the ids of the rows that it was told are there
}

// next reads what became of one more write, the nth of the node.
func (w *writing) next(t *testing.T) (nth int, accepted bool) {
	t.Helper()
	for w.lines.Scan() {
		word := strings.Fields(w.lines.Text())
		if !slices.Contains(word, "write") {
			continue
		}
		n, err := strconv.Atoi(word[1])
		if err != nil {
			t.Fatal(err)
		}
		if word[2] == "true" {
			w.acked = append(w.acked, firstStuck+int64(n))
		}
		return n, word[2] == "true"
	}
	t.Fatalf("the node has ended: %v", w.lines.Err())
	return 0, false
}

// ids are those of a tenant's orders in the shared tables, in their order.
func (h *house) ids(t *testing.T, slug string) []int64 {
	t.Helper()
	rows, err := h.data.Conn(t).Query(t.Context(), `SELECT id FROM orders WHERE tenant_id = $1 ORDER BY id`, h.who[slug].Number)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// containsAll reports whether all of some are among them, which are sorted.
func containsAll(them, some []int64) bool {
	return !slices.ContainsFunc(some, func(id int64) bool {
		_, there := slices.BinarySearch(them, id)
		return !there
	})
}

// TestForgedNotices takes nobody's leases away.
func TestForgedNotices(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	acme, who := h.as(t, "acme"), h.who["acme"]
	var session int
	if err := h.QueryRow(acme, `SELECT pg_backend_pid()`).Scan(&session); err != nil {
		t.Fatal(err)
	}
	admin := h.data.Conn(t)
	for !listening(t, admin) { // asking takes a while by itself
	}
	for _, payload := range []string{
		"", "1", "x.y.z.a", fmt.Sprintf("1.%d.9999999999.", who.Number), fmt.Sprintf("1.%d.9999999999.%064x", who.Number, 0),
		fmt.Sprintf("9.%d.9999999999.%064x", who.Number, 0), strings.Repeat("1.", 3000), isolation.Notice(newest(t, admin), who.Number, 1),
		isolation.Notice(isolation.NewKey(1), who.Number, 9999999999),
	} {
		if _, err := admin.Exec(t.Context(), `SELECT pg_notify('partywall_drain', $1)`, payload); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		if !leased(t, admin, who) {
			t.Fatal("a lease was given back for a notice that is forged")
		}
	}
	// The control: one that is signed.
	if _, err := admin.Exec(t.Context(), `SELECT pg_notify('partywall_drain', $1)`, isolation.Notice(newest(t, admin), who.Number, 9999999999)); err != nil {
		t.Fatal(err)
	}
	for leased(t, admin, who) {
		if t.Context().Err() != nil {
			t.Fatal("a notice that is signed is not heeded")
		}
	}
	var lives bool
	if err := admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)`, session).Scan(&lives); err != nil {
		t.Fatal(err)
	}
	if !lives {
		t.Errorf("the session %d was given up with its lease", session)
	}
}

// leased reports whether a session holds a lease on a tenant of the shared
// database.
func leased(t testing.TB, admin *pgx.Conn, who tenant.Tenant) (yes bool) {
	t.Helper()
	err := admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks
		WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND classid::bigint << 32 | objid::bigint = partywall.lock_key($1))`, who.Number).Scan(&yes)
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func newest(t testing.TB, admin *pgx.Conn) isolation.Key {
	t.Helper()
	k, err := isolation.Newest(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// listening reports whether the house listens for notices.
func listening(t testing.TB, admin *pgx.Conn) (yes bool) {
	t.Helper()
	err := admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'partywall listener' AND datname = current_database() AND query LIKE 'LISTEN%')`).Scan(&yes)
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func FuzzNotice(f *testing.F) {
	k := isolation.NewKey(3)
	f.Add(isolation.Notice(k, 5, 9999999999), int64(5))
	f.Add("1.2.3.00", int64(2))
	f.Fuzz(func(t *testing.T, payload string, number int64) {
		if isolation.ReadNotice(k, payload) && payload != isolation.Notice(k, number, 9999999999) && !strings.HasPrefix(payload, "3.") {
			t.Errorf("%q is believed", payload)
		}
	})
}
