package cache

import (
	"context"
	"iter"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Message is what was published on a channel of the tenant's.
type Message struct {
	// Channel is where, as the tenant calls it; Pattern by which pattern it was
	// found, if it was.
	Channel, Pattern string
	// Payload is what.
	Payload string
}

// Subscription listens on channels of one tenant.
type Subscription struct {
	pubsub *redis.PubSub
	work   work
	leave  func()
}

// Subscribe listens on channels of the context's tenant. It returns when the
// server has heard of it; what is published from then on arrives, as long as
// the connection stands. Whoever subscribes closes it.
func (c *Client) Subscribe(ctx context.Context, channels ...string) (*Subscription, error) {
	return c.subscribe(ctx, channels, func(to redis.UniversalClient, _ *home, channels ...string) *redis.PubSub {
		return to.Subscribe(ctx, channels...)
	})
}

// PSubscribe is [Client.Subscribe] on all channels that match patterns. Under
// level User it is the host's own user who listens: no other may, to a pattern
// that is not the very one Redis was told of.
func (c *Client) PSubscribe(ctx context.Context, patterns ...string) (*Subscription, error) {
	return c.subscribe(ctx, patterns, func(_ redis.UniversalClient, h *home, patterns ...string) *redis.PubSub {
		return h.base.PSubscribe(ctx, patterns...)
	})
}

// SSubscribe is [Client.Subscribe] on channels of a cluster's shard.
func (c *Client) SSubscribe(ctx context.Context, channels ...string) (*Subscription, error) {
	return c.subscribe(ctx, channels, func(to redis.UniversalClient, _ *home, channels ...string) *redis.PubSub {
		return to.SSubscribe(ctx, channels...)
	})
}

func (c *Client) subscribe(
	ctx context.Context, channels []string, how func(to redis.UniversalClient, h *home, channels ...string) *redis.PubSub,
) (*Subscription, error) {
	if len(channels) == 0 {
		return nil, &CommandError{Name: "subscribe", Reason: "it needs a channel"}
	}
	w, err := c.work(ctx)
	if err != nil {
		return nil, err
	}
	named := make([]string, len(channels))
	for i, channel := range channels {
		named[i] = w.home.channels() + channel
	}
	s := &Subscription{pubsub: how(w.target, w.home, named...), work: w, leave: sync.OnceFunc(w.leave)}
	_, err = s.pubsub.Receive(ctx) // that it is subscribed
	if err != nil && w.again(ctx, err) {
		_ = s.pubsub.Close() // was never open
		s.pubsub = how(w.target, w.home, named...)
		_, err = s.pubsub.Receive(ctx)
	}
	if err != nil {
		_ = s.Close()
		return nil, readable(err, w.ns)
	}
	return s, nil
}

// channels is what the tenant's channels begin with. It stays when the
// generation of its keys changes: a subscription outlives a purge.
func (h *home) channels() string { return h.plain }

// Messages returns what arrives, until the subscription is closed. Of messages
// that nobody takes, later ones are dropped.
func (s *Subscription) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for m := range s.pubsub.Channel() {
			if !yield(s.bare(m)) {
				return
			}
		}
	}
}

// Receive waits for the next message. It is not for use beside Messages.
func (s *Subscription) Receive(ctx context.Context) (Message, error) {
	m, err := s.pubsub.ReceiveMessage(ctx)
	if err != nil {
		return Message{}, readable(err, s.work.ns)
	}
	return s.bare(m), nil
}

func (s *Subscription) bare(m *redis.Message) Message {
	ns := s.work.home.channels()
	return Message{
		Channel: strings.TrimPrefix(m.Channel, ns), Pattern: strings.TrimPrefix(m.Pattern, ns), Payload: m.Payload,
	}
}

// Close ends the subscription.
func (s *Subscription) Close() error {
	s.leave()
	return s.pubsub.Close() //nolint:wrapcheck // there is nothing to add
}
