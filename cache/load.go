package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// WhenDown is what [GetOrLoad] does when Redis does not answer.
type WhenDown int

// The policies.
const (
	// LoadAnyway calls the loader: once at a time for each key in a process, and
	// for no more than LoadOptions.Loaders keys of a tenant at once.
	LoadAnyway WhenDown = iota
	// Fail returns the error.
	Fail
)

// LoadOptions are how [GetOrLoad] keeps what it loads. The zero value, and nil,
// are a good start.
type LoadOptions struct {
	// TTL is how long a value is fresh. Defaults to 5 minutes.
	TTL time.Duration
	// Jitter shortens each TTL by a random part of up to so much of it, so that
	// what was loaded together does not end together. Defaults to 0.1; -1 is
	// none.
	Jitter float64
	// Stale is for how long after its TTL a value is still served, while one
	// goroutine loads a new one. Defaults to none.
	Stale time.Duration
	// None is for how long [ErrNone] is remembered. Defaults to 10 seconds; -1
	// is not at all.
	None time.Duration
	// Timeout bounds a loader, which goes on when the caller who began it gives
	// up: others may wait for it. Defaults to 30 seconds.
	Timeout time.Duration
	// WhenDown is what to do without Redis. Defaults to LoadAnyway.
	WhenDown WhenDown
	// Loaders bounds the tenant's loaders at work without Redis in this process.
	// Defaults to 8.
	Loaders int
}

func (o *LoadOptions) filled() LoadOptions {
	var f LoadOptions
	if o != nil {
		f = *o
	}
	f.TTL = cmp.Or(f.TTL, 5*time.Minute)
	f.Jitter = cmp.Or(f.Jitter, 0.1)
	f.None = cmp.Or(f.None, 10*time.Second)
	f.Timeout = cmp.Or(f.Timeout, 30*time.Second)
	f.Loaders = cmp.Or(f.Loaders, 8)
	return f
}

// lifetime returns for how long what is loaded now is fresh.
func (o *LoadOptions) lifetime(none bool) time.Duration {
	ttl := o.TTL
	if none {
		ttl = o.None
	}
	if o.Jitter > 0 {
		ttl -= time.Duration(rand.Float64() * min(o.Jitter, 1) * float64(ttl)) //nolint:gosec // G404: not a secret
	}
	return ttl
}

// Get returns what [Set] or [GetOrLoad] has put under a key of the context's
// tenant, or [ErrMiss]; [ErrNone] if it is known that there is none.
func Get[T any](ctx context.Context, c *Client, key string) (T, error) {
	h, err := c.homeOf(ctx)
	if err != nil {
		var none T
		return none, err
	}
	v, _, err := look[T](ctx, c, h, key)
	return v, err
}

// Set puts a value under a key of the context's tenant, for as long as ttl;
// zero is for ever.
func Set[T any](ctx context.Context, c *Client, key string, v T, ttl time.Duration) error {
	data, err := c.opts.Codec.Marshal(v)
	if err != nil {
		return fmt.Errorf("cache: encoding a %T: %w", v, err)
	}
	e := entry{data: data, fresh: c.opts.Clock().Add(cmp.Or(ttl, forEver))}
	return c.typed.Set(ctx, key, e.encode(), ttl).Err() //nolint:wrapcheck // it says enough
}

const forEver = 100 * 365 * 24 * time.Hour

// look reads an entry.
func look[T any](ctx context.Context, c *Client, h *home, key string) (v T, e entry, err error) {
	data, err := c.typed.Get(ctx, key).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		h.stats.misses.Add(1)
		return v, e, ErrMiss
	case err != nil:
		return v, e, err //nolint:wrapcheck // the server's word
	}
	if e, err = decodeEntry(data); err == nil && !e.none {
		err = c.opts.Codec.Unmarshal(e.data, &v)
	}
	if err != nil { // of another version of the host, perhaps
		h.stats.misses.Add(1)
		var none T
		return none, e, fmt.Errorf("%w: %w", ErrMiss, err)
	}
	h.stats.hits.Add(1)
	if e.none {
		return v, e, ErrNone
	}
	return v, e, nil
}

// GetOrLoad returns what is under a key of the context's tenant, or what load
// returns, and keeps that. However many ask at once, load runs once in a
// process for each tenant and key. It gets the tenant's context, detached from
// the one caller who began it.
func GetOrLoad[T any](
	ctx context.Context, c *Client, key string, load func(context.Context) (T, error), options *LoadOptions,
) (T, error) {
	var v T
	h, err := c.homeOf(ctx)
	if err != nil {
		return v, err
	}
	f := flight[T]{Client: c, home: h, key: key, load: load, options: options.filled()}
	v, e, err := look[T](ctx, c, h, key)
	if err == nil || errors.Is(err, ErrNone) {
		if c.opts.Clock().After(e.fresh) {
			h.stats.stale.Add(1)
			f.begin(ctx) // nobody waits for it
		}
		return v, err
	}
	f.down = !errors.Is(err, ErrMiss)
	if f.down && (f.options.WhenDown == Fail || !unreachable(err)) {
		return v, err
	}
	select {
	case r := <-f.begin(ctx):
		got, ok := r.Val.(loaded[T])
		if !ok { // of another type that is called alike, in another package
			return safely(ctx, load)
		}
		return got.v, r.Err //nolint:wrapcheck // the loader's
	case <-ctx.Done():
		return v, context.Cause(ctx) //nolint:wrapcheck // the caller's
	}
}

// unreachable reports whether an error is the server's not answering, rather
// than an answer, or a refusal of ours.
func unreachable(err error) bool {
	var reply redis.Error
	for _, refusal := range []error{ErrRefused, ErrReadOnly, ErrQuota, ErrPlacement, context.Canceled} {
		if errors.Is(err, refusal) {
			return false
		}
	}
	return !errors.As(err, &reply)
}

// flight is one run of a loader, which all wait for who ask for the same.
type flight[T any] struct {
	*Client

	home    *home
	key     string
	load    func(context.Context) (T, error)
	options LoadOptions
	down    bool // Redis is
}

// loaded is what a loader returned, as its very type.
type loaded[T any] struct{ v T }

// begin loads, or joins who does.
func (f *flight[T]) begin(ctx context.Context) <-chan singleflight.Result {
	name := f.home.owned + markPlain + f.key + "\x00" + reflect.TypeFor[T]().String()
	return f.flights.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.options.Timeout)
		defer cancel()
		how := f.run
		if f.down {
			how = f.alone
		}
		v, err := how(ctx)
		return loaded[T]{v}, err
	})
}

// alone loads without Redis, within the tenant's number of loaders.
func (f *flight[T]) alone(ctx context.Context) (v T, err error) {
	defer f.home.loaders.Add(-1)
	if f.home.loaders.Add(1) > int64(f.options.Loaders) {
		return v, ErrBusy
	}
	f.home.stats.loads.Add(1)
	return safely(ctx, f.load)
}

// run loads and keeps.
func (f *flight[T]) run(ctx context.Context) (T, error) {
	before, _ := f.home.namespace(ctx)
	f.home.stats.loads.Add(1)
	v, err := safely(ctx, f.load)
	none := errors.Is(err, ErrNone)
	if err != nil && (!none || f.options.None < 0) {
		return v, err
	}
	if now, _ := f.home.namespace(ctx); now == before { // else it was purged meanwhile
		f.keep(ctx, v, none)
	}
	return v, err
}

// keep puts what was loaded into the cache. That it could not is no reason to
// withhold it from the caller.
func (f *flight[T]) keep(ctx context.Context, v T, none bool) {
	life := f.options.lifetime(none)
	e := entry{none: none, fresh: f.opts.Clock().Add(life)}
	var err error
	if !none {
		e.data, err = f.opts.Codec.Marshal(v)
	}
	if err == nil {
		err = f.typed.Set(ctx, f.key, e.encode(), life+f.options.Stale).Err()
	}
	if err != nil {
		f.opts.Logger.WarnContext(ctx, "cache: what was loaded could not be kept", "error", err)
	}
}

// safely runs a loader on a goroutine that is nobody's, where a panic would end
// the process.
func safely[T any](ctx context.Context, load func(context.Context) (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cache: a loader panicked: %v", r)
		}
	}()
	return load(ctx)
}
