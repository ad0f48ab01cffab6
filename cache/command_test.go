package cache

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// listed returns every command that the server has, subcommands as "a|b".
func listed(t *testing.T, raw *redis.Client) []string {
	t.Helper()
	rows, err := raw.Do(t.Context(), "command").Slice()
	must(t, err)
	var names []string
	for _, row := range rows {
		fields, _ := row.([]any)
		name, _ := fields[0].(string)
		below, _ := fields[9].([]any)
		if len(below) == 0 {
			names = append(names, name)
		}
		for _, inner := range below {
			fields, _ := inner.([]any)
			name, _ := fields[0].(string)
			names = append(names, name)
		}
	}
	return names
}

// TestEveryCommand goes through all that the server has: each is refused with a
// reason, has a case of its own, is harmless, or has the very arguments
// rewritten that the server calls keys.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	names := listed(t, h.raw)
	if len(names) < 300 {
		t.Fatalf("the server lists %d commands and subcommands", len(names))
	}
	counts := map[string]int{}
	for _, name := range names {
		c := h.known.commands.at(name)
		switch {
		case c == nil:
			t.Errorf("%s is not in the table", name)
		case c.refused != "":
			counts["refused"]++
			h.isRefused(t, name)
		case c.before != nil:
			counts["special"]++
			if shapes()[name] == nil {
				t.Errorf("%s is done in a way of its own, and has no case in shapes", name)
			}
			h.compare(t, name, shapes()[name])
		case len(c.keys) == 0:
			counts["passed"]++
			if !slices.Contains(strings.Fields(harmless), name) {
				t.Errorf("%s is passed as it is", name)
			}
		default:
			counts["rewritten"]++
			if h.compare(t, name, append(shapes()[name], h.built(t, name)...)) == 0 {
				t.Errorf("%s: no arguments were good for the server", name)
			}
		}
	}
	t.Logf("%d commands and subcommands: %v", len(names), counts)
}

// isRefused sends a command that is refused: nothing but that comes back.
func (h *house) isRefused(t *testing.T, name string) {
	t.Helper()
	args := []any{}
	for word := range strings.SplitSeq(strings.ToUpper(name), "|") {
		args = append(args, word)
	}
	refused, ok := h.Do(h.inA, append(args, "x", "y")...).Err().(*CommandError) //nolint:errorlint // it comes as it is
	if !ok || refused.Reason == "" || refused.Name != name {
		t.Errorf("%s: %v", name, refused)
	}
}

// shapes are arguments that do not come from counting: options, and commands
// that are done in a way of their own.
func shapes() map[string][]string {
	return map[string][]string{
		"keys": {"KEYS *"}, "scan": {"SCAN 0", "scan 0 match * count 1", "SCAN 0 TYPE string MATCH a"},
		"copy":    {"COPY a b", "COPY a b REPLACE", "copy a b db 0", "COPY a b DB 0 REPLACE"},
		"sort":    {"SORT a", "SORT a LIMIT 0 1 STORE b", "sort a by w_* get # get o_*->f store b", "SORT a ALPHA DESC STORE store"},
		"sort_ro": {"SORT_RO a", "SORT_RO a BY w GET #"},
		"publish": {"PUBLISH c m"}, "spublish": {"SPUBLISH c m"},
		"pubsub|channels": {"PUBSUB CHANNELS", "PUBSUB CHANNELS *"}, "pubsub|shardchannels": {"PUBSUB SHARDCHANNELS"},
		"pubsub|numsub": {"PUBSUB NUMSUB", "PUBSUB NUMSUB a b"}, "pubsub|shardnumsub": {"PUBSUB SHARDNUMSUB a"},
		"eval": {"EVAL s 0", "EVAL s 1 a b", "eval s 2 a b c"}, "eval_ro": {"EVAL_RO s 1 a b"},
		"evalsha":     {"EVALSHA " + hash("return 1") + " 2 a b c"},
		"evalsha_ro":  {"EVALSHA_RO " + hash("return 1") + " 1 a"},
		"script|load": {"SCRIPT LOAD s"}, "script|exists": {"SCRIPT EXISTS s"},

		"georadius":         {"GEORADIUS a 1 2 3 m", "GEORADIUS a 1 2 3 m STORE b", "georadius a 1 2 3 m count 1 storedist b"},
		"georadiusbymember": {"GEORADIUSBYMEMBER a m 3 m", "GEORADIUSBYMEMBER a STORE 3 m STORE b"},
		"xread":             {"XREAD STREAMS a b 0 0", "xread count 1 block 5 streams streams 0"},
		"xreadgroup":        {"XREADGROUP GROUP g c STREAMS a >", "xreadgroup group g streams count 1 noack streams a b > >"},
		"zunionstore":       {"ZUNIONSTORE d 2 a b WEIGHTS 1 2"}, "bitop": {"BITOP AND d a b c"},
		"xgroup|create": {"XGROUP CREATE a g $ MKSTREAM"}, "memory|usage": {"MEMORY USAGE a SAMPLES 5"},
		"mset": {"MSET a 1 b 2 c 3"}, "lcs": {"LCS a b IDX"}, "blmpop": {"BLMPOP 1 2 a b LEFT"}, "bzmpop": {"BZMPOP 1 2 a b MIN"},
	}
}

// built are lines of several lengths, with 1 to 3 wherever a number of keys may
// stand, in both cases.
func (h *house) built(t *testing.T, name string) []string {
	t.Helper()
	var lines []string
	for length := 1; length <= 7; length++ {
		for count := range 4 {
			words := strings.Split(name, "|")
			for i := range length {
				words = append(words, string(rune('a'+i)))
			}
			for _, k := range h.known.commands.at(name).keys {
				if at := k.begin + k.number; k.counted && at < len(words) {
					words[at] = fmt.Sprint(count)
				}
			}
			line := strings.Join(words, " ")
			lines = append(lines, line, strings.ToUpper(line))
		}
	}
	return lines
}

// compare rewrites lines and asks the server for the keys of the same lines. It
// returns how many the server took.
func (h *house) compare(t *testing.T, name string, lines []string) (taken int) {
	t.Helper()
	home, err := h.home(h.a)
	must(t, err)
	for _, line := range lines {
		args := arguments(line)
		theirs, err := h.raw.Do(t.Context(), append([]any{"command", "getkeys"}, args...)...).StringSlice()
		if err != nil { // it has none, or is no such command's
			theirs = nil
		} else {
			taken++
		}
		cmd := redis.NewCmd(t.Context(), args...)
		c := &call{cmd: cmd, sent: cmd, command: h.known.commands.at(name), home: home, ns: home.owned + markPlain}
		home.scripts.remember(hash("return 1"), hash("return 1"))
		if err := c.open(); err != nil {
			if len(theirs) > 0 && !strings.Contains(err.Error(), "are too few") {
				t.Logf("%s: refused: %v", line, err)
			}
			continue
		}
		for _, key := range h.keysOf(c.sent) {
			if !strings.HasPrefix(key, c.ns) {
				t.Errorf("%s: the server says that %q is a key of what is sent", line, key)
			}
		}
		c.close()
		if fmt.Sprint(args) != fmt.Sprint(arguments(line)) {
			t.Errorf("%s: arguments came back as %q", line, args)
		}
	}
	return taken
}

// keysOf asks the server for the keys of what is sent.
func (h *house) keysOf(cmd redis.Cmder) []string {
	keys, _ := h.raw.Do(h.inA, append([]any{"command", "getkeys"}, cmd.Args()...)...).StringSlice() // what has none is an error
	return keys
}

func arguments(line string) []any {
	var args []any
	for word := range strings.FieldsSeq(line) {
		args = append(args, word)
	}
	return args
}

// reply7 is what a server might say of a command.
func reply7(name string, flags []any, index, lastkey, step any, specFlags ...any) []any {
	return []any{
		name, int64(-2), flags, int64(1), int64(1), int64(1), []any{"@read"}, []any{},
		[]any{[]any{
			"flags", specFlags,
			"begin_search", []any{"type", "index", "spec", []any{"index", index}},
			"find_keys", []any{"type", "range", "spec", []any{"lastkey", lastkey, "keystep", step, "limit", int64(0)}},
		}},
		[]any{},
	}
}

// TestLearned reads what servers say of commands that the table has not, the
// hostile among them: whatever it is, a key is rewritten or the command refused.
func TestLearned(t *testing.T) {
	t.Parallel()
	one := int64(1)
	good := read("new.get", reply7("new.get", []any{"readonly"}, one, int64(0), one))
	if good == nil || good.refused != "" || good.writes || len(good.keys) != 1 || good.keys[0].begin != 1 {
		t.Fatalf("a good reply: %+v", good)
	}
	for name, said := range map[string]any{
		"nothing": nil, "a text": "x", "too short": []any{"new.get"}, "texts for numbers": reply7("x", nil, "1", "0", "1"),
		"a key before the first":     reply7("x", nil, int64(0), int64(0), one),
		"a key before the beginning": reply7("x", nil, int64(-3), int64(0), one),
		"no step":                    reply7("x", nil, one, int64(-1), int64(0)),
		"a step back":                reply7("x", nil, one, int64(-1), int64(-1)),
		"not all keys":               reply7("x", nil, one, int64(0), one, "incomplete"),
		"what is no key":             reply7("x", nil, one, int64(0), one, "not_key"),
		"for administrators":         reply7("x", []any{"admin"}, one, int64(0), one),
		"keys that move":             reply7("x", []any{"movablekeys"}, one, int64(0), one),
		"one that blocks":            reply7("x", []any{"blocking"}, one, int64(0), one),
		"numbers for flags":          []any{"x", one, one, one, one, one, one, one, one, one},
	} {
		if c := read("x", said); c != nil && c.refused == "" {
			t.Errorf("%s: %+v is let through", name, c)
		}
	}
	h := newHouse(t, Options{})
	for _, name := range []string{"no.such", "ft.create", "FT.SEARCH", "get\x00", "get|x", strings.Repeat("x", 41), ""} {
		err := h.Do(h.inA, name, "k").Err()
		if _, ok := err.(*CommandError); !ok { //nolint:errorlint // it comes as it is
			t.Errorf("%q: %v", name, err)
		}
	}
	for i := range maxLearned + 10 {
		h.known.learned[fmt.Sprint("it/", i)] = good
	}
	_ = h.Do(h.inA, "no.such.either", "k").Err()
	if slices.Contains(slices.Collect(maps.Keys(h.known.learned)), "it/no.such.either") {
		t.Error("what is remembered of strange names has no bound")
	}
}
