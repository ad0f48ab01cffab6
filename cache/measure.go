package cache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// Usage is what a tenant has on its server.
type Usage struct {
	// Keys is how many, those of past generations among them until they are
	// swept.
	Keys int64
	// Bytes is the memory they take, by Redis's own word.
	Bytes int64
}

// page is how many keys are asked for at once.
const page = 1000

// Usage counts what t has. It walks all keys of t's server.
func (c *Client) Usage(ctx context.Context, t tenant.Tenant) (Usage, error) {
	h, err := c.home(t)
	if err != nil {
		return Usage{}, err
	}
	all, err := weigh(ctx, h.host(), h.owned+marks, func(string) (int64, bool) { return h.number, true })
	return all[h.number], err
}

// Measure counts what every tenant has, in one walk over each server, and tells
// all processes: that is what Quota.Keys and Quota.Bytes go by. It is for one
// job of the host's, every minute or so; it takes a server about a second per
// million keys.
func (c *Client) Measure(ctx context.Context) (map[int64]Usage, error) {
	total := map[int64]Usage{}
	for _, s := range c.servers {
		for _, client := range s.clients() {
			found, err := weigh(ctx, client, c.opts.Prefix+"*", c.opts.ownerOf)
			if err != nil {
				return nil, fmt.Errorf("cache: measuring server %q: %w", s.name, err)
			}
			for number, u := range found {
				u.Keys, u.Bytes = u.Keys+total[number].Keys, u.Bytes+total[number].Bytes
				total[number] = u
			}
			if err := s.tell(ctx, found); err != nil {
				return nil, err
			}
		}
	}
	return total, nil
}

// tell writes what was measured where the homes look.
func (s *server) tell(ctx context.Context, found map[int64]Usage) error {
	which := newGeneration()
	_, err := s.base.Pipelined(ctx, func(p redis.Pipeliner) error {
		for number, u := range found {
			p.Set(ctx, s.opts.owned(number)+markOwn+"usage", fmt.Sprintf("%d %d %s", u.Keys, u.Bytes, which), 0)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cache: telling what was measured: %w", err)
	}
	return nil
}

// clients are all that lead to keys on the server.
func (s *server) clients() []redis.UniversalClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []redis.UniversalClient{s.base}
	for _, client := range s.databases {
		all = append(all, client)
	}
	return all
}

// ownerOf returns whose key it is.
func (o *Options) ownerOf(key string) (int64, bool) {
	rest, ok := strings.CutPrefix(key, o.Prefix)
	if !ok {
		return 0, false
	}
	if o.HashTags {
		rest, _ = strings.CutPrefix(rest, "{")
	}
	rest, ok = strings.CutPrefix(rest, "t")
	end := strings.IndexAny(rest, markPlain+markGeneration)
	if o.HashTags {
		end = strings.IndexByte(rest, '}')
	}
	if !ok || end < 0 {
		return 0, false
	}
	number, err := strconv.ParseInt(rest[:end], 10, 64)
	return number, err == nil && !strings.HasPrefix(key, o.owned(number)+markOwn)
}

// weigh adds up the keys that match, by owner.
func weigh(ctx context.Context, client redis.UniversalClient, pattern string, owner func(key string) (int64, bool)) (map[int64]Usage, error) {
	total := map[int64]Usage{}
	for keys, err := range pages(ctx, client, pattern) {
		if err != nil {
			return total, err
		}
		sizes := make([]*redis.IntCmd, len(keys))
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range keys {
				sizes[i] = p.MemoryUsage(ctx, key)
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return total, fmt.Errorf("cache: weighing keys: %w", err)
		}
		for i, key := range keys {
			if number, ok := owner(key); ok && sizes[i].Err() == nil {
				u := total[number]
				total[number] = Usage{Keys: u.Keys + 1, Bytes: u.Bytes + sizes[i].Val()}
			}
		}
	}
	return total, nil
}

// pages walks the keys that match a pattern, node by node. A key may come
// twice, as SCAN's may.
func pages(ctx context.Context, client redis.UniversalClient, pattern string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		nodes, err := masters(ctx, client)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, node := range nodes {
			for cursor := uint64(0); ; {
				var keys []string
				if keys, cursor, err = node.Scan(ctx, cursor, pattern, page).Result(); err != nil {
					yield(nil, fmt.Errorf("cache: walking keys: %w", err))
					return
				}
				if len(keys) > 0 && !yield(keys, nil) {
					return
				}
				if cursor == 0 {
					break
				}
			}
		}
	}
}

func splitThree(text string) []string {
	if fields := strings.Fields(text); len(fields) == 3 {
		return fields
	}
	return nil
}
