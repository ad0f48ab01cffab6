package trial_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// absent stands for a row that is not there.
const absent = ""

// ledger is what one tenant's rows must be: the client's side of the books.
type ledger struct {
	mu   sync.Mutex
	rows map[int64][]string // what a row's body may be; several after a lost answer
	hits [2]int64           // bounds of the row that all change
}

// wrote notes an acknowledged write, or, when the answer was lost, one that may
// have happened.
func (l *ledger) wrote(id int64, body string, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = map[int64][]string{}
	}
	before, known := l.rows[id]
	switch {
	case sure:
		l.rows[id] = []string{body}
	case known:
		l.rows[id] = append(slices.Clone(before), body)
	default:
		l.rows[id] = []string{absent, body}
	}
}

// hit notes an update of the row that all change.
func (l *ledger) hit(sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sure {
		l.hits[0]++
	}
	l.hits[1]++
}

// check holds a tenant's rows, read past the wall, against its ledger.
func (l *ledger) check(t testing.TB, h *house, who tenant.Tenant) {
	t.Helper()
	got, hits := h.read(t, who)
	for id, allowed := range l.rows {
		body := got[id] // absent if it is not there
		if !slices.Contains(allowed, body) {
			t.Errorf("%s: row %d is %q, want one of %q", who.Slug, id, body, allowed)
		}
		delete(got, id)
	}
	for id, body := range got {
		t.Errorf("%s: row %d is %q, and nobody wrote it", who.Slug, id, body)
	}
	if hits < l.hits[0] || hits > l.hits[1] {
		t.Errorf("%s: the row that all change was changed %d times, want %d to %d", who.Slug, hits, l.hits[0], l.hits[1])
	}
}

// read returns a tenant's rows as a superuser sees them, and fails the test
// for every row that is in the wrong place.
func (h *house) read(t testing.TB, who tenant.Tenant) (rows map[int64]string, hits int64) {
	t.Helper()
	database, table := h.table(who, "note")
	conn, err := pgx.Connect(t.Context(), h.in(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	found, err := conn.Query(t.Context(), fmt.Sprintf(
		`SELECT tenant_id, id, owner, body, n FROM %s WHERE tenant_id = $1 OR owner = $2`, table.Sanitize()), who.Number, who.Slug)
	if err != nil {
		t.Fatal(err)
	}
	rows = map[int64]string{}
	var number, id, n int64
	var owner, body string
	_, err = pgx.ForEachRow(found, []any{&number, &id, &owner, &body, &n}, func() error {
		if number != who.Number || owner != who.Slug {
			t.Errorf("row %d of tenant %d has the canary of %s, and %s is tenant %d", id, number, owner, who.Slug, who.Number)
		}
		if id == sharedRow {
			hits = n
		} else {
			rows[id] = body
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, hits
}
