package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// naive is what one writes at first: the tenant's name in front of a key.
type naive struct {
	*redis.Client

	prefix string
}

func (n naive) key(t tenant.Tenant, key string) string {
	return n.prefix + "naive:" + t.Slug + ":" + key
}

// attack is a way to get at another tenant's values. It returns what it got,
// "" for nothing.
type attack struct {
	control func(t *testing.T, h *house, n naive) string // where it has to get through
	attack  func(t *testing.T, h *house) string
}

const loot = "globex's"

// attacks are cases 36 to 42 of the list that the suite follows.
func attacks() map[string]attack {
	return map[string]attack{
		"36 same id, two tenants": {
			func(t *testing.T, h *house, n naive) string {
				must(t, n.Set(t.Context(), n.prefix+"order:7", loot, 0).Err()) // the tenant is left out
				return n.Get(t.Context(), n.prefix+"order:7").Val()
			},
			func(t *testing.T, h *house) string {
				must(t, h.Set(h.inB, "order:7", loot, 0).Err())
				return h.Get(h.inA, "order:7").Val()
			},
		},
		"37 delimiter injection": {
			func(t *testing.T, h *house, n naive) string {
				a, b := tenant.Tenant{Slug: "a"}, tenant.Tenant{Slug: "a:b"}
				must(t, n.Set(t.Context(), n.key(b, "c"), loot, 0).Err())
				return n.Get(t.Context(), n.key(a, "b:c")).Val()
			},
			delimiters,
		},
		"38 glob in invalidation": {
			func(t *testing.T, h *house, n naive) string {
				must(t, n.Set(t.Context(), n.key(h.b, "x"), loot, 0).Err())
				return strings.Join(n.Keys(t.Context(), n.key(tenant.Tenant{Slug: "*"}, "*")).Val(), " ")
			},
			globs,
		},
		"39 reply desync after cancel": {desyncControl, desync},
		"40 old keys after a slug is used again": {
			func(t *testing.T, h *house, n naive) string {
				must(t, n.Set(t.Context(), n.key(h.b, "x"), loot, 0).Err())
				return n.Get(t.Context(), n.key(tenant.Tenant{Slug: h.b.Slug, Number: 2}, "x")).Val()
			},
			func(t *testing.T, h *house) string {
				must(t, h.Set(h.inB, "x", loot, 0).Err())
				heir := resident(11)
				heir.Slug = h.b.Slug
				return h.Get(tenant.NewContext(t.Context(), heir), "x").Val()
			},
		},
		"41 one load for two tenants": {
			func(t *testing.T, h *house, _ naive) string {
				for i := range 100 { // whether the second one comes in time is chance
					if got := h.loadTogether(t, fmt.Sprint(h.prefix, "one name ", i)); got != "" {
						return got
					}
				}
				return ""
			},
			func(t *testing.T, h *house) string { return h.loadTogether(t, "") },
		},
		"42 SCAN, KEYS and EVAL": {
			func(t *testing.T, h *house, n naive) string {
				must(t, n.Set(t.Context(), n.key(h.b, "x"), loot, 0).Err())
				got, err := n.Eval(t.Context(), `return redis.call("GET", KEYS[1]:gsub("acme", "globex") .. "")`, []string{n.key(h.a, "x")}).Text()
				must(t, err)
				return got
			},
			walks,
		},
	}
}

// TestAttacks plays each twice.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for name, a := range attacks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, level := range []string{"prefix", "namespace", "database=9", "user"} {
				h := newHouse(t, Options{Default: "it/" + level})
				if got := a.attack(t, h); got != "" {
					t.Errorf("%s: got %q", level, got)
				}
			}
			h := newHouse(t, Options{})
			if a.control(t, h, naive{h.raw, h.prefix}) == "" {
				t.Error("the control got nothing: the attack proves nothing")
			}
		})
	}
}

func delimiters(t *testing.T, h *house) string {
	must(t, h.Set(h.inB, "c", loot, 0).Err())
	var got []string
	for _, key := range []string{
		":c", "0:c", "\x00c", "../t10:c", "{t10}:c", "t10:c", h.prefix + "t10:c", "!generation", "\r\nGET " + h.prefix + "t10:c\r\n",
	} {
		got = append(got, h.Get(h.inA, key).Val())
	}
	return strings.Join(got, "")
}

func globs(t *testing.T, h *house) string {
	must(t, h.Set(h.inB, "x", loot, 0).Err())
	var got []string
	for _, pattern := range []string{"*", "?*", "[^a]*", `\*`, "", "*:x", "*t10*", "{t1,t10}*"} {
		got = append(got, h.Keys(h.inA, pattern).Val()...)
		page, _ := h.Scan(h.inA, 0, pattern, 1000).Val()
		got = append(got, page...)
		for key, err := range h.All(h.inA, pattern) {
			must(t, err)
			got = append(got, key)
		}
	}
	must(t, h.Purge(h.inA))
	if h.Exists(h.inB, "x").Val() != 1 {
		got = append(got, "a purge took another's key")
	}
	return strings.Join(got, " ")
}

// desyncControl gives a connection back with a reply still to come.
func desyncControl(t *testing.T, h *house, n naive) string {
	must(t, n.Set(t.Context(), n.key(h.b, "x"), loot, 0).Err())
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", n.Options().Addr)
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET %s\r\n", n.key(h.b, "x")) // whoever asks gives up
	must(t, err)
	_, err = fmt.Fprintf(conn, "GET %s\r\n", n.key(h.a, "x")) // and the next one reads
	must(t, err)
	lines := bufio.NewScanner(conn)
	for lines.Scan() && strings.HasPrefix(lines.Text(), "$8") {
		continue
	}
	return lines.Text()
}

// desync gives up in the middle, many times, on few connections.
func desync(t *testing.T, h *house) string {
	must(t, h.Set(h.inB, "x", loot, 0).Err())
	must(t, h.Set(h.inA, "x", "acme's", 0).Err())
	var (
		mu   sync.Mutex
		got  []string
		wait sync.WaitGroup
	)
	for worker := range 4 {
		wait.Go(func() {
			for i := range 250 {
				in, want := h.inA, "acme's"
				if (worker+i)%2 == 0 {
					in, want = h.inB, loot
				}
				ctx, cancel := context.WithTimeout(in, time.Duration(i%7)*50*time.Microsecond)
				short := h.Get(ctx, "x")
				cancel()
				for _, cmd := range []*redis.StringCmd{short, h.Get(in, "x")} {
					if cmd.Err() == nil && cmd.Val() != want {
						mu.Lock()
						got = append(got, fmt.Sprintf("%q for %q", cmd.Val(), want))
						mu.Unlock()
					}
				}
			}
		})
	}
	wait.Wait()
	return strings.Join(got, " ")
}

// loadTogether has two tenants load the same key at once. With a name, both
// have the same, as a flight has that goes without the tenant.
func (h *house) loadTogether(t *testing.T, name string) string {
	t.Helper()
	begun, go1 := make(chan struct{}), make(chan struct{})
	if name != "" {
		for _, who := range []tenant.Tenant{h.a, h.b} {
			home, err := h.home(who)
			must(t, err)
			home.call(name)
		}
	}
	var first, second string
	var failed error
	var wait sync.WaitGroup
	returned := make(chan struct{})
	key := "k " + name // which nobody has loaded before
	wait.Go(func() {
		defer close(returned)
		first, failed = GetOrLoad(h.inB, h.Client, key, func(context.Context) (string, error) { close(begun); <-go1; return loot, nil }, nil)
	})
	select {
	case <-begun:
	case <-returned:
		t.Fatalf("nothing was loaded: %q, %v", first, failed)
	}
	home, err := h.home(h.a)
	must(t, err)
	before := home.stats.misses.Load()
	joined := make(chan struct{})
	wait.Go(func() {
		close(joined)
		second, _ = GetOrLoad(h.inA, h.Client, key, func(context.Context) (string, error) { return "acme's", nil }, nil)
	})
	<-joined
	if name == "" { // its own load does not wait for the other's
		v, err := GetOrLoad(h.inA, h.Client, "k2", func(context.Context) (string, error) { return "acme's", nil }, nil)
		must(t, err)
		if v != "acme's" {
			return v
		}
	}
	for name != "" && home.stats.misses.Load() == before {
		runtime.Gosched()
	}
	close(go1)
	wait.Wait()
	if first != loot {
		t.Errorf("the one who began got %q", first)
	}
	if second == "acme's" {
		return ""
	}
	return second
}

func walks(t *testing.T, h *house) string {
	must(t, h.Set(h.inB, "x", loot, 0).Err())
	must(t, h.RPush(h.inA, "list", "x").Err())
	var got []string
	theirs := h.prefix + "t10:x"
	for _, args := range [][]any{
		{"KEYS", "*"}, {"SCAN", 0}, {"SCAN", "0", "COUNT", 1000}, {"RANDOMKEY"}, {"DBSIZE"}, {"GET", theirs},
		{"SORT", "list", "BY", "nosort", "GET", h.prefix + "t10:*"}, {"SORT_RO", "list", "GET", h.prefix + "t10:*"},
		{"EVAL", `return redis.call("GET", ARGV[1])`, 0, theirs}, {"EVAL", `, redis return server.call("GET", ARGV[1])`, 0, theirs},
		{"EVAL", `return redis.call("KEYS", "*")`, 0}, {"MGET", theirs}, {"OBJECT", "ENCODING", theirs}, {"DUMP", theirs},
		{"COPY", theirs, "mine"}, {"RENAME", theirs, "mine"}, {"MIGRATE", "127.0.0.1", 1, theirs, 0, 1},
	} {
		v, err := h.Do(h.inA, args...).Result()
		if text := fmt.Sprint(v); err == nil && (strings.Contains(text, loot) || strings.Contains(text, theirs) || strings.Contains(text, "t10")) {
			got = append(got, fmt.Sprint(args, " ", text))
		}
	}
	return strings.Join(got, "; ")
}

// shy says one thing and sends another.
type shy struct{ says, sends string }

func (s shy) String() string { return s.says }

// MarshalBinary implements encoding.BinaryMarshaler.
func (s shy) MarshalBinary() ([]byte, error) { return []byte(s.sends), nil }

// TestArguments tries what an argument may be: none reaches another's key.
func TestArguments(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	theirs := h.prefix + "t10:x"
	two := "2"
	for name, args := range map[string][]any{
		"STORE twice":               {"GEORADIUS", "g", 0, 0, 1, "m", "STORE", "a", "STORE", theirs},
		"STORE that marshals":       {"GEORADIUS", "g", 0, 0, 1, "m", shy{"x", "STORE"}, theirs},
		"DB that marshals":          {"COPY", "x", "y", shy{"x", "DB"}, 1},
		"a database that marshals":  {"COPY", "x", "y", "DB", shy{"0", "1"}},
		"another database":          {"COPY", "x", "y", "DB", 1},
		"a number that marshals":    {"ZUNION", shy{"1", "2"}, "x", theirs},
		"a number with a sign":      {"ZUNION", "+1", "x", theirs},
		"a number with a zero":      {"ZUNION", "01", "x", theirs},
		"a number below zero":       {"EVAL", "return 1", -1, theirs},
		"a number with a blank":     {"ZUNION", " 1", "x", theirs},
		"a number with a fraction":  {"ZUNION", 1.5, "x", theirs},
		"a number too large":        {"ZUNION", "18446744073709551617", "x", theirs},
		"a truth":                   {"ZUNION", true, "x", theirs},
		"nothing":                   {"ZUNION", nil, "x", theirs},
		"no text for a number":      {"ZUNION", (*string)(nil), "x", theirs},
		"a key that marshals":       {"GET", shy{"x", theirs}},
		"a key with a fraction":     {"GET", 1.5},
		"no key":                    {"GET", nil},
		"no text":                   {"GET", (*string)(nil)},
		"a command that marshals":   {shy{"get", "flushall"}},
		"a subcommand that does":    {"OBJECT", shy{"x", "HELP"}},
		"SORT that marshals":        {"SORT", "x", shy{"x", "GET"}, theirs},
		"half the IDs of a stream":  {"XREAD", "STREAMS", "a", theirs, "0"},
		"nothing at all":            {},
		"a database of nobody's":    {"COPY", "x", "y", "DB"},
		"a pattern without an end":  {"SCAN", 0, "MATCH"},
		"an option that is unknown": {"SCAN", 0, "NOVALUES", "x"},
	} {
		given := slices.Clone(args)
		if err := h.Do(h.inA, args...).Err(); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(args, given) {
			t.Errorf("%s: arguments came back as %v", name, args)
		}
	}
	must(t, h.ZAdd(h.inA, "x", redis.Z{Member: "m"}).Err())
	for name, n := range map[string]any{"int": 2, "text": "2", "bytes": []byte("2"), "pointer": &two, "int64": int64(2), "uint8": uint8(2)} {
		cmd := redis.NewStringSliceCmd(h.inA, "ZUNION", n, "x", "y")
		for range 2 { // and the same command again, for the other
			if err := h.Process(h.inA, cmd); err != nil || len(cmd.Val()) != 1 {
				t.Errorf("%s: %v, %v", name, cmd.Val(), err)
			}
			if err := h.Process(h.inB, cmd); err != nil || len(cmd.Val()) != 0 {
				t.Errorf("%s, the other tenant: %v, %v", name, cmd.Val(), err)
			}
		}
	}
	pipe := h.Pipeline() // the same command twice
	cmd := redis.NewStringCmd(h.inA, "get", "k")
	_, _ = pipe.Process(h.inA, cmd), pipe.Process(h.inA, cmd)
	_, _ = pipe.Exec(h.inA)
	if cmd.Args()[1] != any("k") {
		t.Errorf("a command that was twice in a pipeline has %v", cmd.Args())
	}
}
