package cache

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// Provision makes what t needs: under level User its user, under Namespace its
// generation. A tenant's first command does the same. It may be repeated.
func (c *Client) Provision(ctx context.Context, t tenant.Tenant) error {
	h, err := c.home(t)
	if err != nil {
		return err
	}
	if h.place.level == User {
		if err := h.users.declare(ctx, h); err != nil {
			return err
		}
	}
	_, err = h.namespace(ctx)
	return err
}

// Deprovision ends all that t has, and its user. It may be repeated.
func (c *Client) Deprovision(ctx context.Context, t tenant.Tenant) error {
	h, err := c.home(t)
	if err != nil {
		return err
	}
	if h.place.level == User {
		if err := h.users.dismiss(ctx, h); err != nil {
			return err
		}
	}
	return c.Erase(ctx, t)
}

// Erase removes every key that t has or had, and fails while there are any.
// What t's requests write meanwhile is not waited for: shut t out before.
func (c *Client) Erase(ctx context.Context, t tenant.Tenant) error {
	h, err := c.home(t)
	if err != nil {
		return err
	}
	if h.place.level == Namespace {
		if err := h.purge(ctx); err != nil { // what is cached is gone from here on
			return err
		}
	}
	if _, err := h.unlink(ctx, func(string) bool { return true }); err != nil {
		return err
	}
	own := []string{h.owned + markOwn + "generation", h.owned + markOwn + "usage"}
	for _, key := range own {
		if err := h.base.Unlink(ctx, key).Err(); err != nil {
			return fmt.Errorf("cache: erasing: %w", err)
		}
	}
	h.generation.Store(nil)
	left, err := c.Usage(ctx, t)
	if err == nil && left.Keys > 0 {
		err = fmt.Errorf("cache: tenant %s (%s) has %d keys after it was erased: it is still being served", t.ID, t.Slug, left.Keys)
	}
	return err
}

// Purge forgets all that the context's tenant has. Under level Namespace that is
// one command, whatever there is; other processes see it within
// Options.GenerationTTL, and what was there is left to expire, to be evicted, or
// to be removed by [Client.Sweep]. Under the others it walks all keys of the
// server.
func (c *Client) Purge(ctx context.Context) error {
	w, err := c.work(ctx)
	if err != nil {
		return err
	}
	defer w.leave()
	if w.home.place.level == Namespace {
		return w.home.purge(ctx)
	}
	_, err = w.home.unlink(ctx, func(string) bool { return true })
	return err
}

// Sweep removes what purges have left of t's, and returns how many keys that
// were. It walks all keys of the server.
func (c *Client) Sweep(ctx context.Context, t tenant.Tenant) (int64, error) {
	h, err := c.home(t)
	if err != nil {
		return 0, err
	}
	ns, err := h.namespace(ctx)
	if err != nil {
		return 0, err
	}
	return h.unlink(ctx, func(key string) bool { return !strings.HasPrefix(key, ns) })
}

// unlink removes those of the tenant's keys that are to go.
func (h *home) unlink(ctx context.Context, gone func(key string) bool) (n int64, err error) {
	for keys, err := range pages(ctx, h.host(), h.owned+marks) {
		if err != nil {
			return n, err
		}
		cmds, err := h.host().Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				if gone(key) {
					p.Unlink(ctx, key)
				}
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("cache: removing keys: %w", err)
		}
		for _, cmd := range cmds {
			if removed, ok := cmd.(*redis.IntCmd); ok {
				n += removed.Val()
			}
		}
	}
	return n, nil
}

// All walks the keys of the context's tenant that match a pattern, on every
// node of a cluster. It walks all keys of the server; a key may come twice.
func (c *Client) All(ctx context.Context, pattern string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		w, err := c.work(ctx)
		if err != nil {
			yield("", err)
			return
		}
		defer w.leave()
		for keys, err := range pages(ctx, w.home.host(), w.ns+pattern) {
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range keys {
				if !yield(strings.TrimPrefix(key, w.ns), nil) {
					return
				}
			}
		}
	}
}

// Item is one line of an export.
type Item struct {
	// Key is the tenant's name for it.
	Key string `json:"key"`
	// Value is what DUMP says of it.
	Value []byte `json:"value"`
	// Expires is when it ends; zero is never.
	Expires time.Time `json:"expires,omitzero"`
}

// Export writes what t has, one JSON object on a line for each key.
func (c *Client) Export(ctx context.Context, t tenant.Tenant, out io.Writer) error {
	h, err := c.home(t)
	if err != nil {
		return err
	}
	ns, err := h.namespace(ctx)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(out)
	for keys, err := range pages(ctx, h.host(), ns+"*") {
		if err != nil {
			return err
		}
		for _, key := range keys {
			item, err := h.item(ctx, key, strings.TrimPrefix(key, ns))
			if errors.Is(err, redis.Nil) {
				continue // it has ended meanwhile
			}
			if err == nil {
				err = lines.Encode(item)
			}
			if err != nil {
				return fmt.Errorf("cache: export: %w", err)
			}
		}
	}
	return nil
}

func (h *home) item(ctx context.Context, key, name string) (Item, error) {
	var (
		value *redis.StringCmd
		left  *redis.DurationCmd
	)
	_, err := h.host().Pipelined(ctx, func(p redis.Pipeliner) error {
		value, left = p.Dump(ctx, key), p.PTTL(ctx, key)
		return nil
	})
	item := Item{Key: name, Value: []byte(value.Val())}
	if left.Val() > 0 {
		item.Expires = h.opts.Clock().Add(left.Val()).UTC()
	}
	return item, err //nolint:wrapcheck // Export does
}

// maxItem bounds a line of an import.
const maxItem = 64 << 20

// Import puts an export into t's place, over what has the same keys. It stops
// at the first line that is none, and names it.
func (c *Client) Import(ctx context.Context, t tenant.Tenant, in io.Reader) error {
	h, err := c.home(t)
	if err != nil {
		return err
	}
	ns, err := h.namespace(ctx)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxItem)
	for nth := 1; lines.Scan(); nth++ {
		var item Item
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil {
			return fmt.Errorf("cache: import: line %d: %w", nth, err)
		}
		left := time.Duration(0)
		if !item.Expires.IsZero() {
			if left = item.Expires.Sub(h.opts.Clock()); left <= 0 {
				continue
			}
		}
		if err := h.host().RestoreReplace(ctx, ns+item.Key, left, string(item.Value)).Err(); err != nil {
			return fmt.Errorf("cache: import: line %d: %w", nth, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cache: import: %w", err)
	}
	return nil
}
