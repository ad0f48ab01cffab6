package riverwaker_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

// letter is a job of the host's.
type letter struct{}

func (letter) Kind() string { return "letter" }

// postman works letters.
type postman struct {
	river.WorkerDefaults[letter]

	posted chan struct{}
}

func (p *postman) Work(context.Context, *river.Job[letter]) error {
	p.posted <- struct{}{}
	return nil
}

// hostsClient is a client of the host's, which works both jobs and its own
// tables' schema.
func hostsClient(t *testing.T, pool *pgxpool.Pool, worker *riverwaker.Worker, p *postman) *river.Client[pgx.Tx] {
	t.Helper()
	if err := own(t, pool, &riverwaker.Options{}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	river.AddWorker(workers, p)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: "partywall_river", Workers: workers, Logger: quiet(t),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return client
}

// TestSharedClient has the host's client wake an engine. It goes on when the
// engine has stopped, and what is due then waits for the next one.
func TestSharedClient(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, nil).Pool(t)
	worker, p := new(riverwaker.Worker), &postman{posted: make(chan struct{})}
	client := hostsClient(t, pool, worker, p)
	waker, err := riverwaker.NewWith(client, worker, river.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	k := single(nothing)
	bystander, err := provisioning.New(pool, nil, &provisioning.Options{Kinds: []provisioning.Definition{k}, Waker: waker})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{pool: pool, waker: waker, spy: &spy{waker, t.Context().Done(), make(chan provisioning.ID), make(chan struct{})}}
	begin := func() provisioning.Handle[none] {
		h, err := k.Start(t.Context(), bystander, none{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for range 2 {
		n.start(t, 1, k)
		h := begin()
		n.spy.next(t, h.ID(), func() {})
		finish(t, h)
		n.stop(t)
	}

	h := begin()
	snoozed(t, pool, h.ID())
	if _, err := client.Insert(t.Context(), letter{}, nil); err != nil {
		t.Fatal(err)
	}
	receive(t, p.posted)
	n.start(t, 1, k)
	n.spy.next(t, h.ID(), func() {})
	finish(t, h)
}

// snoozed waits until the job of an operation was put off.
func snoozed(t *testing.T, pool *pgxpool.Pool, id provisioning.ID) {
	t.Helper()
	until(t, func() bool {
		var times int
		err := pool.QueryRow(t.Context(), `
			SELECT coalesce(max((metadata->>'snoozes')::int), 0) FROM partywall_river.river_job WHERE args->>'operation' = $1`,
			id.String()).Scan(&times)
		if err != nil {
			t.Fatal(err)
		}
		return times > 0
	})
}
