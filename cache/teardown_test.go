package cache

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// wall is one stone of it: how it is taken out, and how one sees that it is
// gone. seen returns "" as long as the wall holds.
type wall struct {
	level string
	take  func(h *house)
	seen  func(t *testing.T, h *house) string
}

// walls are all of them. What is taken out is a field of the Client's own, so
// that everything else is as hosts have it.
func walls() map[string]wall {
	command := func(h *house, name string) *command { return h.known.commands.at(name) }
	return map[string]wall{
		"the prefix": {"prefix", func(h *house) { h.together("") }, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inB, "k", loot, 0).Err())
			return h.Get(h.inA, "k").Val()
		}},
		"the prefix of channels": {"prefix", func(h *house) { h.together("") }, func(t *testing.T, h *house) string {
			return strings.Repeat(loot, int(h.heard(t)))
		}},
		"the mark behind a number": {"prefix", func(h *house) {
			h.homes[address{1, ""}].plain, h.homes[address{10, ""}].plain = h.prefix+"t1", h.prefix+"t10"
		}, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inB, "k", loot, 0).Err())
			return h.Get(h.inA, "0k").Val()
		}},
		"keys of a command": {"prefix", func(h *house) { command(h, "get").keys = nil }, func(t *testing.T, h *house) string {
			must(t, h.raw.Set(t.Context(), h.prefix+"t10:k", loot, 0).Err())
			return h.Get(h.inA, h.prefix+"t10:k").Val()
		}},
		"all keys but the first": {"prefix", func(h *house) { command(h, "mget").keys[0].last = 0 }, func(t *testing.T, h *house) string {
			must(t, h.raw.Set(t.Context(), h.prefix+"t10:k", loot, 0).Err())
			v, _ := h.MGet(h.inA, "own", h.prefix+"t10:k").Val()[1].(string)
			return v
		}},
		"a keyword said twice": {"prefix", func(h *house) {
			c := command(h, "georadius")
			c.before = func(c *call) error { _ = c.second(); return c.from(7, 7) } // as the first STORE has it
		}, func(t *testing.T, h *house) string {
			must(t, h.GeoAdd(h.inA, "g", &redis.GeoLocation{Name: "m"}).Err())
			_ = h.Do(h.inA, "GEORADIUS", "g", 0, 0, 1, "m", "STORE", "own", "STORE", h.prefix+"t10:k")
			return strings.Join(h.raw.Keys(t.Context(), h.prefix+"t10:k").Val(), "")
		}},
		"the patterns of SORT": {"prefix", func(h *house) { command(h, "sort").before = nil }, func(t *testing.T, h *house) string {
			must(t, h.raw.Set(t.Context(), h.prefix+"t10:k", loot, 0).Err())
			must(t, h.RPush(h.inA, "list", "k").Err())
			v, _ := h.Do(h.inA, "SORT", "list", "BY", "nosort", "GET", h.prefix+"t10:*").StringSlice()
			return strings.Join(v, "")
		}},
		"the pattern of SCAN": {"prefix", func(h *house) { command(h, "scan").before = func(*call) error { return nil } }, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inB, "k", loot, 0).Err())
			page, _ := h.Scan(h.inA, 0, "", 10_000).Val()
			return strings.Join(slices.DeleteFunc(page, func(k string) bool { return k != h.prefix+"t10:k" }), "")
		}},
		"the pattern of KEYS": {"prefix", func(h *house) { command(h, "keys").before = func(*call) error { return nil } }, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inB, "k", loot, 0).Err())
			return strings.Join(h.Keys(h.inA, h.prefix+"t10:*").Val(), "")
		}},
		"the database of COPY": {"prefix", func(h *house) { command(h, "copy").before = nil }, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inA, "k", loot, 0).Err())
			err := h.Do(h.inA, "COPY", "k", "k", "DB", 63).Err()
			if err == nil {
				return "copied into another database"
			}
			return ""
		}},
		"what is refused": {"prefix", func(h *house) { command(h, "dbsize").refused = "" }, func(t *testing.T, h *house) string {
			if h.Do(h.inA, "DBSIZE").Err() == nil {
				return "everybody's keys are counted"
			}
			return ""
		}},
		"the status": {"prefix", func(h *house) { command(h, "set").writes = false }, func(t *testing.T, h *house) string {
			h.a.Status = tenant.Suspended
			if h.Set(tenant.Admit(t.Context(), h.a), "k", "1", 0).Err() == nil {
				return "written by a tenant that may read"
			}
			return ""
		}},
		"the generation in the name": {"namespace", func(h *house) { h.homes[address{1, ""}].place.level = Prefix }, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inA, "k", "old", 0).Err())
			must(t, h.homes[address{1, ""}].purge(t.Context()))
			return h.Get(h.inA, "k").Val()
		}},
		"keys given back bare": {"prefix", func(h *house) { command(h, "keys").after = nil }, func(t *testing.T, h *house) string {
			must(t, h.Set(h.inA, "k", "1", 0).Err())
			return strings.TrimPrefix(strings.Join(h.Keys(h.inA, "*").Val(), ""), "k")
		}},
		"the pattern of a user": {"user", func(h *house) {
			_ = h.raw.ACLSetUser(h.inA, h.prefix+"t1", "~*").Err() // seen tells
		}, func(t *testing.T, h *house) string {
			must(t, h.raw.Set(t.Context(), h.prefix+"t10:k", loot, 0).Err())
			return h.users(t).Get(t.Context(), h.prefix+"t10:k").Val()
		}},
	}
}

// users is the connection of a's own user.
func (h *house) users(t *testing.T) redis.UniversalClient {
	t.Helper()
	h.servers["it"].users.mu.Lock()
	defer h.servers["it"].users.mu.Unlock()
	return h.servers["it"].users.of[1].client
}

// together gives both tenants one home's name.
func (h *house) together(name string) {
	for _, home := range h.homes {
		home.call(h.prefix + name)
	}
}

// heard returns how many subscribers of b's a message of a's finds.
func (h *house) heard(t *testing.T) int64 {
	t.Helper()
	s, err := h.Subscribe(h.inB, "c")
	must(t, err)
	defer func() { _ = s.Close() }()
	return h.Publish(h.inA, "c", "m").Val()
}

// TestTornDown takes out one stone at a time, and sees it; with all in place
// nothing is seen.
func TestTornDown(t *testing.T) {
	t.Parallel()
	for name, w := range walls() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, torn := range []bool{false, true} {
				h := newHouse(t, Options{Default: "it/" + w.level, GenerationTTL: time.Hour})
				for _, in := range []tenant.Tenant{h.a, h.b} {
					must(t, h.Ping(tenant.NewContext(t.Context(), in)).Err())
				}
				if torn {
					w.take(h)
				}
				if got := w.seen(t, h); (got != "") != torn {
					t.Errorf("torn down: %v, seen: %q", torn, got)
				}
			}
		})
	}
}
