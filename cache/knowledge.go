package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// knowledge is what is known of commands: the table's, and what servers say of
// those that it does not have.
type knowledge struct {
	commands commands
	scripts  *scripts

	mu      sync.RWMutex
	learned map[string]*command // by server and name
}

func newKnowledge() *knowledge {
	all := known()
	return &knowledge{commands: all, scripts: newScripts(all), learned: map[string]*command{}}
}

// maxLearned bounds the names that servers are asked about: they may come from
// outside.
const maxLearned = 1000

// of returns what is known of a command, or why it is refused.
func (k *knowledge) of(ctx context.Context, s *server, cmd redis.Cmder) (*command, error) {
	args := cmd.Args()
	c := k.commands.of(args)
	if c == nil {
		var err error
		if c, err = k.learn(ctx, s, args); err != nil {
			return nil, err
		}
	}
	if c.refused != "" {
		return nil, &CommandError{Name: c.name, Reason: c.refused}
	}
	return c, nil
}

// learn asks the server about a command that is not in the table, once.
func (k *knowledge) learn(ctx context.Context, s *server, args []any) (*command, error) {
	name, _ := argument(args, 0)
	unknown := &command{name: name, refused: "it is not known"}
	if outer := k.commands[name]; outer != nil || !plausible(name) {
		if inner, ok := argument(args, 1); ok && outer != nil {
			unknown.name += "|" + inner
		}
		return unknown, nil
	}
	at := s.name + "/" + name
	k.mu.RLock()
	c, full := k.learned[at], len(k.learned) >= maxLearned
	k.mu.RUnlock()
	if c != nil || full {
		if c == nil {
			c = unknown
		}
		return c, nil
	}
	reply, err := s.base.Do(ctx, "command", "info", name).Slice()
	if err != nil {
		return nil, fmt.Errorf("cache: asking what %.40q is: %w", name, err)
	}
	c = unknown
	if len(reply) == 1 {
		if told := read(name, reply[0]); told != nil {
			c = told
		}
	}
	k.mu.Lock()
	k.learned[at] = c
	k.mu.Unlock()
	return c, nil
}

func argument(args []any, at int) (string, bool) {
	if at >= len(args) {
		return "", false
	}
	return word(args[at])
}

// plausible reports whether a name may be a command's that is for tenants. The
// indexes of FT.CREATE are named like keys, and hold everybody's.
func plausible(name string) bool {
	return name != "" && len(name) <= 40 && !strings.HasPrefix(name, "ft.") && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

// read understands a server's reply about one command. The server has to say
// where all keys are; what is not about keys, or by its own word is dangerous,
// is refused.
func read(name string, reply any) *command {
	const fields = 10 // as of Redis 7
	row, _ := reply.([]any)
	if len(row) < fields {
		return nil
	}
	flags, categories := words(row[2]), words(row[6])
	c := &command{name: name, writes: !slices.Contains(flags, "readonly")}
	for _, bad := range []string{"admin", "noscript", "pubsub", "no_multi", "blocking", "movablekeys"} {
		if slices.Contains(flags, bad) {
			c.refused = "the server calls it " + bad
		}
	}
	if slices.Contains(categories, "@dangerous") {
		c.refused = "the server calls it dangerous"
	}
	specs, _ := row[8].([]any)
	for _, spec := range specs {
		c.keys = append(c.keys, readSpec(spec))
	}
	if below, _ := row[9].([]any); len(below) > 0 {
		c.refused = "it has commands of its own"
	}
	if c.refused == "" {
		c.decide()
	}
	return c
}

// readSpec understands a key specification that names keys by a position and a
// range; any other is partial.
func readSpec(spec any) keySpec {
	fields := pairs(spec)
	begin, find := pairs(fields["begin_search"]), pairs(fields["find_keys"])
	partial := slices.Contains(words(fields["flags"]), "incomplete") || slices.Contains(words(fields["flags"]), "not_key")
	if partial || begin["type"] != "index" || find["type"] != "range" {
		return keySpec{partial: true}
	}
	at, in := pairs(begin["spec"]), pairs(find["spec"])
	if whole(at["index"]) < 1 || whole(in["keystep"]) < 1 || whole(in["limit"]) < 0 { // a key that is none of the arguments
		return keySpec{partial: true}
	}
	return keySpec{begin: whole(at["index"]), last: whole(in["lastkey"]), step: whole(in["keystep"]), limit: whole(in["limit"])}
}

func words(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, strings.ToLower(s))
		}
	}
	return out
}

// pairs reads a map, which older protocols write as a list.
func pairs(v any) map[string]any {
	out := map[string]any{}
	switch v := v.(type) {
	case map[any]any:
		for key, value := range v {
			if s, ok := key.(string); ok {
				out[s] = value
			}
		}
	case []any:
		for i := 0; i+1 < len(v); i += 2 {
			if s, ok := v[i].(string); ok {
				out[s] = v[i+1]
			}
		}
	}
	return out
}

func whole(v any) int {
	n, _ := v.(int64)
	return int(n)
}
