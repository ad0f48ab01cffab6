package cache

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// pipeline collects commands of one tenant: that of the first one's context.
type pipeline struct {
	redis.StatefulCmdable

	client *Client
	send   func(ctx context.Context, cmds []redis.Cmder) error
	queue  []redis.Cmder
	owner  tenant.ID
	err    error // what is wrong with the queue
}

var _ redis.Pipeliner = (*pipeline)(nil)

func (c *Client) pipeline(send func(ctx context.Context, cmds []redis.Cmder) error) redis.Pipeliner {
	p := &pipeline{client: c, send: send}
	p.StatefulCmdable = c.faces.face(p.Process)
	return p
}

// Pipeline returns a pipeline. All its commands are of one tenant, and so is
// the context that it is executed with.
func (c *Client) Pipeline() redis.Pipeliner { return c.pipeline(c.sender(false)) }

// TxPipeline returns a pipeline whose commands run as a transaction.
func (c *Client) TxPipeline() redis.Pipeliner { return c.pipeline(c.sender(true)) }

// Pipelined executes what fn puts into a pipeline.
func (c *Client) Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return c.Pipeline().Pipelined(ctx, fn)
}

// TxPipelined executes what fn puts into a pipeline as a transaction.
func (c *Client) TxPipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return c.TxPipeline().Pipelined(ctx, fn)
}

func (c *Client) sender(transaction bool) func(context.Context, []redis.Cmder) error {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		w, err := c.work(ctx)
		if err != nil {
			return err
		}
		defer w.leave()
		return w.runAll(ctx, w.target, cmds, transaction)
	}
}

// Process implements [redis.Pipeliner].
func (p *pipeline) Process(ctx context.Context, cmd redis.Cmder) error {
	if err := p.own(ctx); err != nil && p.err == nil {
		p.err = err
	}
	p.queue = append(p.queue, cmd)
	return nil
}

// own fails for a context of another tenant than the queue's.
func (p *pipeline) own(ctx context.Context) error {
	t, err := tenant.FromContext(ctx)
	switch {
	case err != nil:
		return err //nolint:wrapcheck // every wrapper of Partywall fails alike
	case p.owner.IsZero():
		p.owner = t.ID
	case p.owner != t.ID:
		return fmt.Errorf("%w: a pipeline of %s was given a command of %s", tenant.ErrTwoTenants, p.owner, t.ID)
	}
	return nil
}

// BatchProcess implements [redis.Pipeliner].
func (p *pipeline) BatchProcess(ctx context.Context, cmds ...redis.Cmder) error {
	for _, cmd := range cmds {
		_ = p.Process(ctx, cmd)
	}
	return nil
}

// Do implements [redis.Pipeliner].
func (p *pipeline) Do(ctx context.Context, args ...any) *redis.Cmd {
	cmd := redis.NewCmd(ctx, args...)
	_ = p.Process(ctx, cmd)
	return cmd
}

// Exec implements [redis.Pipeliner]. If a command is refused, or they are of
// two tenants, nothing is sent and all of them fail.
func (p *pipeline) Exec(ctx context.Context) ([]redis.Cmder, error) {
	cmds := p.queue
	if len(cmds) == 0 {
		return nil, nil
	}
	err := p.err
	if err == nil {
		err = p.own(ctx)
	}
	if err == nil {
		err = p.send(ctx, cmds)
	}
	p.Discard()
	if err != nil {
		for _, cmd := range cmds {
			if cmd.Err() == nil {
				cmd.SetErr(err)
			}
		}
	}
	return cmds, err
}

// Discard implements [redis.Pipeliner].
func (p *pipeline) Discard() { p.queue, p.owner, p.err = nil, tenant.ID{}, nil }

// Len implements [redis.Pipeliner].
func (p *pipeline) Len() int { return len(p.queue) }

// Cmds implements [redis.Pipeliner].
func (p *pipeline) Cmds() []redis.Cmder { return p.queue }

// Pipeline implements [redis.Cmdable].
func (p *pipeline) Pipeline() redis.Pipeliner { return p }

// TxPipeline implements [redis.Cmdable].
func (p *pipeline) TxPipeline() redis.Pipeliner { return p }

// Pipelined implements [redis.Cmdable].
func (p *pipeline) Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	if err := fn(p); err != nil {
		return nil, err
	}
	return p.Exec(ctx)
}

// TxPipelined implements [redis.Cmdable].
func (p *pipeline) TxPipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return p.Pipelined(ctx, fn)
}
