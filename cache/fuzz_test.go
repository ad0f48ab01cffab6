package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// FuzzRewrite sends a random command with random arguments through the wall. It
// is refused, or what Redis's specifications find in it afterwards begins with
// the namespace; and the caller has its arguments back, whatever happened.
func FuzzRewrite(f *testing.F) {
	for _, line := range []string{
		"get a", "MGET a b", "georadius a 1 2 3 m STORE b STORE c", "zunion +1 a", "zunion 2 a b", "sort a by b get #",
		"xreadgroup count 1 group streams c streams k >", "copy a b db 1", "scan 0 match x", "eval s 1 a b", "bitop and a b c",
		"object freq a", "mset a 1 b", "blmpop 0 1 a left", "pubsub numsub a", "xread streams a b 0 0", "script load x",
	} {
		f.Add(line)
	}
	h := &home{server: &server{options: &redis.UniversalOptions{}, opts: &Options{}}, scripts: newScripts(known())}
	h.call("pw:t1")
	all := known()
	f.Fuzz(func(t *testing.T, line string) {
		args := arguments(line)
		given := slices.Clone(args)
		command := all.of(args)
		if command == nil || command.refused != "" {
			return
		}
		cmd := redis.NewCmd(t.Context(), args...)
		c := &call{cmd: cmd, sent: cmd, command: command, home: h, ns: h.plain}
		if c.open() == nil {
			for _, key := range foreign(command, c) {
				t.Errorf("%s is sent with %q", line, key)
			}
			c.close()
		}
		if !slices.Equal(args, given) {
			t.Errorf("%s: arguments came back as %q", line, args)
		}
	})
}

// foreign lists the arguments that are keys and do not begin with the
// namespace. It reads specifications by itself, the way Redis does.
func foreign(command *command, c *call) (all []string) {
	args := c.sent.Args()
	for _, k := range command.keys {
		if k.partial {
			continue // it says of no key
		}
		begin, last, step := k.begin, k.begin+k.last, max(1, k.step)
		if k.keyword != "" {
			at := slices.IndexFunc(args[min(k.begin, len(args)):], func(arg any) bool { s, _ := text(arg); return strings.EqualFold(s, k.keyword) })
			if at < 0 {
				continue
			}
			begin = k.begin + at + 1
			last = begin + k.last
		}
		switch {
		case k.counted:
			n, _ := text(args[begin+k.number])
			count := 0
			_, _ = fmt.Sscan(n, &count)
			begin += k.first
			last = begin + count - 1
		case k.last < 0:
			last = len(args) + k.last
			if k.limit > 1 {
				last = begin + (last-begin+1)/k.limit - 1
			}
		}
		for at := begin; at <= min(last, len(args)-1); at += step {
			key, _ := text(args[at])
			if s, ok := args[at].(*saved); ok {
				key = s.String()
			}
			if !strings.HasPrefix(key, c.ns) {
				all = append(all, key)
			}
		}
	}
	return all
}

// FuzzEntry reads what anybody may have put under a key.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(nil))
	f.Add((&entry{data: []byte("x"), fresh: time.UnixMilli(7)}).encode())
	f.Add((&entry{none: true}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEntry(data)
		if err == nil && !bytes.Equal(e.encode(), data) {
			t.Errorf("%x is read as %+v", data, e)
		}
	})
}

// FuzzPlace reads placements: what is read names a server and a level that
// there is.
func FuzzPlace(f *testing.F) {
	for _, text := range []string{"", "eu/namespace", "eu", "eu/database=5", "eu/database=-1", "eu/prefix=1", "/", "a/b/c", "eu/database=05"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text, "main")
		if err == nil && (!slices.Contains([]Level{Prefix, Namespace, Database, User}, p.level) || p.database < 0 || strings.Contains(p.server, "/")) {
			t.Errorf("%q is read as %+v", text, p)
		}
	})
}

// FuzzImport puts anything into a tenant: nothing of another changes, and what
// was taken is the tenant's.
func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"key":"k","value":"AAF4CwDGF4hR/g=="}`))
	f.Add([]byte("{}\n{}"))
	f.Add([]byte(`{"key":"../t10:k","value":"","expires":"2999-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"key":"k","value":"!"}`))
	server := miniredis.RunT(f)
	c, err := New(Servers{"it": {Addrs: []string{server.Addr()}}}, &Options{Default: "it/prefix"})
	must(f, err)
	defer func() { _ = c.Close() }() // nothing is sent any more
	f.Fuzz(func(t *testing.T, data []byte) {
		server.FlushAll()
		must(t, server.Set("pw:t10:k", loot))
		err := c.Import(context.Background(), resident(1), bytes.NewReader(data))
		for _, key := range server.Keys() {
			if key != "pw:t10:k" && !strings.HasPrefix(key, "pw:t1:") {
				t.Errorf("%q is nobody's", key)
			}
		}
		if got, _ := server.Get("pw:t10:k"); got != loot {
			t.Errorf("the other has %q", got)
		}
		if err == nil && !allLines(data) {
			t.Errorf("%q was taken", data)
		}
	})
}

// allLines reports whether each line is an item.
func allLines(data []byte) bool {
	for line := range bytes.Lines(data) {
		if json.Unmarshal(line, &Item{}) != nil {
			return false
		}
	}
	return true
}

// TestRandomArguments is FuzzRewrite with lines made of the words that matter,
// and Redis itself to say what is a key.
func TestRandomArguments(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	for _, name := range slices.Sorted(maps.Keys(h.known.commands)) {
		c := h.known.commands[name]
		if c.refused == "" && c.below == nil && len(c.keys) > 0 && !strings.HasPrefix(name, "json.") {
			h.compare(t, name, random(name))
		}
	}
}

// random are lines of a command with words that may be read in two ways.
func random(name string) []string {
	words := strings.Fields("a b 0 1 2 3 -1 STORE store STOREDIST STREAMS streams GROUP COUNT BLOCK NOACK DB BY GET # * LIMIT MATCH REPLACE m > $")
	r := rand.New(rand.NewPCG(7, uint64(len(name))))
	var lines []string
	for range 40 {
		line := []string{name}
		for range 1 + r.IntN(9) {
			line = append(line, words[r.IntN(len(words))])
		}
		lines = append(lines, strings.Join(line, " "))
	}
	return lines
}
