package cache

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// Tx is one connection that watches keys; see [Client.Watch]. It is for one
// goroutine.
type Tx struct {
	typed

	client *Client
	work   *work
	tx     *redis.Tx
}

// Watch calls fn with a connection that watches the keys: what fn then does by
// [Tx.TxPipelined] is done only if nobody has changed them meanwhile, and fails
// with redis.TxFailedErr otherwise. The connection is given back when fn ends.
func (c *Client) Watch(ctx context.Context, fn func(*Tx) error, keys ...string) error {
	w, err := c.work(ctx)
	if err != nil {
		return err
	}
	defer w.leave()
	watched := make([]string, len(keys))
	for i, key := range keys {
		watched[i] = w.ns + key
	}
	began := false
	call := func(tx *redis.Tx) error {
		began = true
		t := &Tx{client: c, work: &w, tx: tx}
		t.typed = c.faces.face(t.process)
		return fn(t)
	}
	err = w.target.Watch(ctx, call, watched...)
	// The connection may have died since it was used, and then the user be
	// forgotten too.
	for tries := 0; tries < 2 && err != nil && !began && (w.again(ctx, err) || unreachable(err)); tries++ {
		err = w.target.Watch(ctx, call, watched...)
	}
	if err != nil {
		return readable(err, w.ns)
	}
	return nil
}

// same fails for a context of another tenant than the one who watches.
func (t *Tx) same(ctx context.Context) error {
	who, err := tenant.FromContext(ctx)
	if err != nil {
		return err //nolint:wrapcheck // every wrapper of Partywall fails alike
	}
	if who.ID != t.work.tenant.ID {
		return fmt.Errorf("%w: a transaction of %s was given a command of %s", tenant.ErrTwoTenants, t.work.tenant.ID, who.ID)
	}
	return nil
}

func (t *Tx) process(ctx context.Context, cmd redis.Cmder) error {
	if err := t.same(ctx); err != nil {
		return err
	}
	return t.work.run(ctx, t.tx, cmd)
}

func (t *Tx) sender(transaction bool) func(context.Context, []redis.Cmder) error {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := t.same(ctx); err != nil {
			return err
		}
		return t.work.runAll(ctx, t.tx, cmds, transaction)
	}
}

// Pipeline is [Client.Pipeline] on this connection, outside the transaction.
func (t *Tx) Pipeline() redis.Pipeliner { return t.client.pipeline(t.sender(false)) }

// TxPipeline is [Client.TxPipeline] on this connection.
func (t *Tx) TxPipeline() redis.Pipeliner { return t.client.pipeline(t.sender(true)) }

// Pipelined is [Client.Pipelined] on this connection, outside the transaction.
func (t *Tx) Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return t.Pipeline().Pipelined(ctx, fn)
}

// TxPipelined does what fn puts into it, if no watched key has changed.
func (t *Tx) TxPipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return t.TxPipeline().Pipelined(ctx, fn)
}
