package riverwaker_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

// A host that has a River client wakes its engine by it.
func ExampleNewWith() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://catalog.internal/app")
	if err != nil {
		log.Fatal(err)
	}
	worker := new(riverwaker.Worker)
	workers := river.NewWorkers() // with those of the host's own jobs
	river.AddWorker(workers, worker)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Workers: workers,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}},
	})
	if err != nil {
		log.Fatal(err)
	}

	waker, err := riverwaker.NewWith(client, worker, river.QueueDefault)
	if err != nil {
		log.Fatal(err)
	}
	engine, err := provisioning.New(pool, nil, &provisioning.Options{Waker: waker})
	if err != nil {
		log.Fatal(err)
	}
	if err := engine.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if err := client.Start(ctx); err != nil {
		log.Fatal(err)
	}
}
