package riverwaker_test

import (
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

// TestBehindPooler wakes through a pooler that lets nobody listen.
func TestBehindPooler(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	direct := own(t, db.Pool(t), &riverwaker.Options{})
	if err := direct.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool := connect(t, db.Pooled("")+"&default_query_exec_mode=exec")
	w := own(t, pool, &riverwaker.Options{})
	woken := make(chan provisioning.ID)
	if err := w.Start(t.Context(), func(id provisioning.ID) { woken <- id }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		began := time.Now()
		ask(t, pool, w, anID(1), time.Time{})
		receive(t, woken)
		t.Log("woken after", time.Since(began))
		settled(t, pool, anID(1))
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
