package trial_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// noteSchema has the canary of its owner in every row: tenant_id is what the
// wall looks at, owner is what the test does.
const noteSchema = `
	CREATE TABLE IF NOT EXISTS note (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id        bigint NOT NULL,
		owner     text   NOT NULL,
		body      text   NOT NULL,
		n         bigint NOT NULL DEFAULT 0,
		PRIMARY KEY (tenant_id, id));
	SELECT partywall.protect('note');`

// sharedRow is the row of each tenant that all workers change. All other rows
// belong to one worker.
const sharedRow = 0

// TestSoak lets eight workers do everything at once for tenants of all
// strategies, in every mode, and looks at every row that comes back. In the end
// each tenant's rows must be what its callers were told.
func TestSoak(t *testing.T) {
	t.Parallel()
	operations := 4_000
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		operations = 1_000_000
	}
	for _, m := range mode.All() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			soak(t, m, operations/len(mode.All()))
		})
	}
}

func soak(t *testing.T, m mode.Mode, operations int) {
	const workers = 8
	h := build(t, testSite(t, m.Pooled), m, noteSchema)
	s := &soaking{house: h, t: t, std: h.StdDB(), books: map[tenant.ID]*ledger{}}
	defer func() { _ = s.std.Close() }() // holds nothing
	for _, who := range h.who {
		s.books[who.ID] = &ledger{}
		ctx := tenant.NewContext(t.Context(), who)
		if _, err := h.Exec(ctx, `INSERT INTO note (id, owner, body) VALUES ($1, $2, 'all')`, sharedRow, who.Slug); err != nil {
			t.Fatal(err)
		}
	}
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			w := &worker{soaking: s, r: rand.New(rand.NewPCG(uint64(i), 1)), next: int64(i+1) << 32}
			for range operations / workers {
				w.operate()
			}
		})
	}
	working.Wait()
	t.Logf("%+v", h.Stats()["eu-1"])
	h.Close()
	h.quiet(t)
	for _, who := range h.who {
		s.books[who.ID].check(t, h, who)
	}
}

// soaking is what the workers share.
type soaking struct {
	*house

	t     *testing.T
	std   *sql.DB
	books map[tenant.ID]*ledger
}

// worker does one operation after the other.
type worker struct {
	*soaking

	r    *rand.Rand
	next int64
	mine []mine // rows that are certainly there
}

// mine is a row of a worker's.
type mine struct {
	owner tenant.ID
	id    int64
	body  string
}

// job is one operation for one tenant.
type job struct {
	*worker

	ctx   context.Context
	who   tenant.Tenant
	book  *ledger
	wrote []mine // what the operation writes, for when it is known how it ended
	gone  []mine
}

// panicked is what the workers panic with.
type panicked struct{}

// operate does one operation, and books what it did.
func (w *worker) operate() {
	who := w.who[w.r.IntN(len(w.who))]
	ctx, cancel := w.context(who)
	defer cancel()
	j := &job{worker: w, ctx: ctx, who: who, book: w.books[who.ID]}
	operations := []func() error{
		j.point, j.point, j.point, j.list, j.list, j.insert, j.insert, j.update, j.remove, j.batch, j.copy,
		j.tx, j.nested, j.stdRead, j.stdWrite, j.stdTx, j.changeShared, j.wrongTenant, j.reach,
	}
	n := w.r.IntN(len(operations))
	err := j.run(operations[n])
	switch {
	case err == nil:
		j.settle(true)
	case errors.Is(err, errTakenBack):
		// What was written is not there, and that is certain.
	case ended(ctx):
		j.settle(false)
	default:
		w.t.Errorf("operation %d of %s: %v", n, who.Slug, err)
		j.settle(false)
	}
}

// ended reports whether ctx is done. A dial may notice the deadline before ctx
// itself does.
func ended(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// errTakenBack is the error of operations that roll back on purpose.
var errTakenBack = errors.New("taken back")

// run turns a panic of the operation's own into the rollback it has to be.
func (j *job) run(operation func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(panicked); !ok {
				panic(p)
			}
			err = errTakenBack
		}
	}()
	return operation()
}

// context returns the tenant's context, which now and then ends at a bad
// moment.
func (w *worker) context(who tenant.Tenant) (context.Context, context.CancelFunc) {
	ctx := tenant.NewContext(w.t.Context(), who)
	switch w.r.IntN(16) {
	case 0:
		ctx, cancel := context.WithCancel(ctx)
		go cancel()
		return ctx, cancel
	case 1:
		return context.WithTimeout(ctx, time.Duration(w.r.IntN(3000))*time.Microsecond)
	}
	return ctx, func() {}
}

// settle books what the operation wrote. Rows of which it is not known whether
// they are there are not touched again: what the server does with them it may
// do later.
func (j *job) settle(sure bool) {
	for _, m := range j.gone {
		j.book.wrote(m.id, absent, sure)
		j.forget(m)
	}
	for _, m := range j.wrote {
		j.book.wrote(m.id, m.body, sure)
		j.forget(m)
		if sure {
			j.mine = append(j.mine, m)
		}
	}
}

func (j *job) forget(row mine) {
	for i, m := range j.mine {
		if m.owner == row.owner && m.id == row.id {
			j.mine[i] = j.mine[len(j.mine)-1]
			j.mine = j.mine[:len(j.mine)-1]
			return
		}
	}
}

// fresh is a row to be.
func (j *job) fresh() mine {
	j.next++
	return mine{j.who.ID, j.next, fmt.Sprintf("%s %d", j.who.Slug, j.r.Uint32())}
}

// known returns one of the worker's rows of this tenant.
func (j *job) known() (mine, bool) {
	if len(j.mine) == 0 {
		return mine{}, false
	}
	for i, n := range j.r.Perm(len(j.mine)) {
		if j.mine[n].owner == j.who.ID {
			return j.mine[n], true
		}
		if i > 20 {
			break
		}
	}
	return mine{}, false
}
