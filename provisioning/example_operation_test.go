package provisioning_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/provisioning"
)

// carrier stands for a service of somebody else's.
type carrier map[string]string

// Book books a parcel under a name that follows from the request: to book it
// again is the same booking.
func (c carrier) Book(_ context.Context, name, to string) (string, error) {
	c[name] = to
	return "track-" + to, nil
}

func (c carrier) Cancel(_ context.Context, name string) error {
	delete(c, name)
	return nil
}

type (
	consignment struct{ To string }
	shipment    struct{ Tracking string }
)

// shipping is a kind of operation of the host's own.
func shipping(c carrier) provisioning.Kind[consignment, shipment] {
	type run = provisioning.Run[consignment, shipment]
	book := provisioning.Step[consignment, shipment]{
		Name: "book",
		Do: func(ctx context.Context, r *run) error {
			tracking, err := c.Book(ctx, r.Operation.String(), r.Input.To)
			if err != nil {
				return err // tried again
			}
			r.Set(func(s *shipment) { s.Tracking = tracking })
			return nil
		},
		Compensate: func(ctx context.Context, r *run) error { return c.Cancel(ctx, r.Operation.String()) },
	}
	send := provisioning.Step[consignment, shipment]{
		Name:  "send",
		Final: true, // what has left the house does not come back
		Do: func(_ context.Context, r *run) error {
			r.WithStep(func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO sent (tracking) VALUES ($1)`, r.Output.Tracking)
				return err
			})
			return nil
		},
	}
	return provisioning.Kind[consignment, shipment]{Name: "ship-order", Stages: []provisioning.Stage[consignment, shipment]{{book}, {send}}}
}

// An operation of the host's own: two steps, the second of which is written down
// with what it did.
func ExampleKind() {
	ctx := context.Background()
	ship := shipping(carrier{})
	engine, catalog, closeEngine := exampleEngine(ctx, &provisioning.Options{Kinds: []provisioning.Definition{ship}})
	defer closeEngine()
	if _, err := catalog.Exec(ctx, `CREATE TABLE sent (tracking text)`); err != nil {
		panic(err)
	}

	op, err := ship.Start(ctx, engine, consignment{To: "acme"}, &provisioning.Request{Key: "order 7", Actor: "ann"})
	if err != nil {
		panic(err)
	}
	for event, err := range op.Events(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%.0f%%: %s %q\n", event.Percent, event.Type, event.Step)
	}
	done, err := op.Wait(ctx)
	fmt.Println(done.Tracking, err)
	// Output:
	// 0%: requested ""
	// 0%: step begun "book"
	// 50%: step done "book"
	// 50%: step begun "send"
	// 100%: step done "send"
	// 100%: succeeded ""
	// track-acme <nil>
}
