package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/partywall/partywall/tenant"
)

// typed is all of go-redis's commands.
type typed = redis.Cmdable

// Client is the servers of [New], each command on the context's tenant. It has
// the commands of go-redis, pipelines and transactions, and may be used by any
// number of goroutines.
type Client struct {
	typed

	opts    *Options
	faces   *faces
	servers map[string]*server
	known   *knowledge
	calls   calls
	flights singleflight.Group

	mu    sync.RWMutex
	homes map[address]*home
}

// address tells homes apart. A tenant that moves gets another.
type address struct {
	number int64
	cache  string
}

// maxHomes bounds the tenants that are remembered; forgetting one costs it a
// look at its generation.
const maxHomes = 100_000

// New returns a Client of the servers. It dials nothing. It fails with all that
// is wrong with its arguments at once.
func New(servers Servers, options *Options) (*Client, error) {
	opts, err := options.filled(servers)
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts: opts, faces: newFaces(), servers: map[string]*server{},
		known: newKnowledge(), homes: map[address]*home{},
	}
	for name, o := range servers {
		c.servers[name] = newServer(name, o, opts)
	}
	c.typed = c.faces.face(c.process)
	return c, nil
}

// Close ends all connections.
func (c *Client) Close() error {
	errs := []error{c.faces.close()}
	for _, s := range c.servers {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Do runs a command by name, with its arguments as Redis takes them.
func (c *Client) Do(ctx context.Context, args ...any) *redis.Cmd {
	cmd := redis.NewCmd(ctx, args...)
	_ = c.Process(ctx, cmd) // is in cmd
	return cmd
}

// Process runs a command.
func (c *Client) Process(ctx context.Context, cmd redis.Cmder) error {
	err := c.process(ctx, cmd)
	cmd.SetErr(err)
	return err
}

func (c *Client) process(ctx context.Context, cmd redis.Cmder) error {
	w, err := c.work(ctx)
	if err != nil {
		return err
	}
	defer w.leave()
	return w.run(ctx, w.target, cmd)
}

// homeOf returns where the context's tenant is.
func (c *Client) homeOf(ctx context.Context) (*home, error) {
	t, err := tenant.FromContext(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // every wrapper of Partywall fails alike
	}
	return c.home(t)
}

// home returns where t is, made at first use.
func (c *Client) home(t tenant.Tenant) (*home, error) {
	at := address{t.Number, t.Placement.Cache}
	c.mu.RLock()
	h := c.homes[at]
	c.mu.RUnlock()
	if h != nil {
		return h, nil
	}
	h, err := c.settle(t)
	if err != nil {
		return nil, placeError(err, t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.homes[at]; other != nil {
		return other, nil
	}
	if len(c.homes) >= maxHomes {
		for some := range c.homes {
			delete(c.homes, some)
			break
		}
	}
	c.homes[at] = h
	return h, nil
}

// settle makes t's home.
func (c *Client) settle(t tenant.Tenant) (*home, error) {
	p, err := parsePlace(t.Placement.Cache, c.opts.Default)
	if err != nil {
		return nil, err
	}
	s := c.servers[p.server]
	if s == nil {
		return nil, fmt.Errorf("%w: there is no server %q", ErrPlacement, p.server)
	}
	if err := s.fit(p); err != nil {
		return nil, err
	}
	return newHome(s, p, t.Number, c.known.scripts), nil
}
