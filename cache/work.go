package cache

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// target runs commands: a client of go-redis, or a transaction of one.
type target interface {
	Process(ctx context.Context, cmd redis.Cmder) error
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
	TxPipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// work is one tenant's turn: who, where, and over whose connections.
type work struct {
	*Client

	tenant tenant.Tenant
	home   *home
	target redis.UniversalClient
	user   *user // whose connections they are, nil for the host's
	ns     string
}

// work begins the turn of the context's tenant. Whoever gets one leaves it.
func (c *Client) work(ctx context.Context) (w work, err error) {
	w.Client = c
	if w.tenant, err = tenant.FromContext(ctx); err != nil {
		return w, err //nolint:wrapcheck // every wrapper of Partywall fails alike
	}
	if w.home, err = c.home(w.tenant); err != nil {
		return w, err
	}
	if w.ns, err = w.home.namespace(ctx); err != nil {
		return w, err
	}
	w.target, w.user, err = w.home.connect(ctx)
	return w, err
}

func (w *work) leave() { w.user.leave() }

// run sends one command.
func (w *work) run(ctx context.Context, to target, cmd redis.Cmder) error {
	calls := w.calls.get(1)
	err := w.send(ctx, to, cmd, &(*calls)[0])
	w.calls.put(calls) // unless it panicked: then the caller's command may not be whole
	return err
}

func (w *work) send(ctx context.Context, to target, cmd redis.Cmder, call *call) error {
	if err := w.open(ctx, call, cmd); err != nil {
		return err
	}
	if w.user != nil && call.command.outside {
		to = w.home.base // the tenant's user may not; the pattern holds it
	}
	if cluster, ok := to.(*redis.ClusterClient); ok && call.command.everyNode {
		_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return node.Process(ctx, call.sent.Clone())
		})
	}
	if err := to.Process(ctx, call.sent); err != nil && w.again(ctx, err) {
		_ = to.Process(ctx, call.sent) // its error is in it
	}
	call.close()
	return cmd.Err() //nolint:wrapcheck // the server's word
}

// runAll sends several commands in one flush, as a transaction or not. If one
// of them is refused, none is sent.
func (w *work) runAll(ctx context.Context, to target, cmds []redis.Cmder, transaction bool) error {
	calls := w.calls.get(len(cmds))
	err := w.sendAll(ctx, to, cmds, *calls, transaction)
	w.calls.put(calls) // as in run
	return err
}

func (w *work) sendAll(ctx context.Context, to target, cmds []redis.Cmder, all []call, transaction bool) error {
	for i, cmd := range cmds {
		err := w.open(ctx, &all[i], cmd)
		if err == nil && w.user != nil && all[i].command.outside {
			all[i].restore()
			err = &CommandError{Name: all[i].command.name, Reason: "under level User it goes alone"}
		}
		if err != nil {
			for before := range slices.Backward(all[:i]) { // a command may be there twice
				all[before].restore()
			}
			return err
		}
	}
	send := to.Pipelined
	if transaction {
		send = to.TxPipelined
	}
	sent := make([]redis.Cmder, len(all))
	for i := range all {
		sent[i] = all[i].sent
	}
	put := func(p redis.Pipeliner) error { return p.BatchProcess(ctx, sent...) }
	_, err := send(ctx, put)
	if err != nil && w.again(ctx, err) {
		_, err = send(ctx, put)
	}
	for i := range slices.Backward(all) {
		all[i].close()
	}
	if err != nil {
		return readable(err, w.ns)
	}
	return nil
}

// open makes ready one command of the tenant's.
func (w *work) open(ctx context.Context, c *call, cmd redis.Cmder) error {
	command, err := w.known.of(ctx, w.home.server, cmd)
	if err != nil {
		return err
	}
	if command.writes && !tenant.MayWrite(ctx, w.tenant) {
		return fmt.Errorf("%w: %s of tenant %s (%s)", ErrReadOnly, command.name, w.tenant.ID, w.tenant.Slug)
	}
	if err := w.admit(cmd, command); err != nil {
		return err
	}
	c.cmd, c.sent, c.command, c.home, c.ns = cmd, cmd, command, w.home, w.ns
	return c.open()
}
