package provisioning_test

import (
	"context"
	"fmt"
	"time"

	"gocloud.dev/pubsub"
	"gocloud.dev/pubsub/mempubsub"

	"github.com/partywall/partywall/provisioning"
)

type (
	parcel  struct{ To string }
	receipt struct{ Number int }
)

// What happens to operations goes out through a topic of gocloud.dev/pubsub:
// Kafka, SNS, Pub/Sub, NATS or, as here, memory. A notice that the topic does not
// take is told again, so who receives keeps the notice's ID.
func ExamplePublisher() {
	ctx := context.Background()
	topic := mempubsub.NewTopic()
	defer shutdown(ctx, topic)
	inbox := mempubsub.NewSubscription(topic, time.Minute)
	defer shutdown(ctx, inbox)

	ship := provisioning.Kind[parcel, receipt]{Name: "ship", Stages: []provisioning.Stage[parcel, receipt]{{{
		Name: "label",
		Do: func(_ context.Context, r *provisioning.Run[parcel, receipt]) error {
			r.Set(func(out *receipt) { out.Number = 7 })
			r.Announce("parcel.labelled", r.Input)
			return nil
		},
	}}}}
	engine, _, closeEngine := exampleEngine(ctx, &provisioning.Options{
		Kinds: []provisioning.Definition{ship},
		Publisher: provisioning.PublisherFunc(func(ctx context.Context, n provisioning.Notice) error {
			return topic.Send(ctx, &pubsub.Message{
				Body:     n.Body,
				Metadata: map[string]string{"topic": n.Topic, "operation": n.Operation.String(), "notice": fmt.Sprint(n.ID)},
			})
		}),
	})
	defer closeEngine()
	if _, err := ship.Start(ctx, engine, parcel{To: "acme"}, nil); err != nil {
		panic(err)
	}

	// A queue may tell them in any order, and one of them twice.
	heard := map[string]string{}
	for len(heard) < 2 {
		m, err := inbox.Receive(ctx)
		if err != nil {
			panic(err)
		}
		heard[m.Metadata["notice"]] = m.Metadata["topic"] + " " + string(m.Body)
		m.Ack()
	}
	fmt.Println(heard["1"])
	fmt.Println(heard["2"])
	// Output:
	// parcel.labelled {"To": "acme"}
	// ship.succeeded {"Number": 7}
}

// shutdown closes an end of a topic.
func shutdown(ctx context.Context, end interface{ Shutdown(context.Context) error }) {
	if err := end.Shutdown(ctx); err != nil {
		panic(err)
	}
}
