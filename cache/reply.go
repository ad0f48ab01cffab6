package cache

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// reply takes the namespace out of what a command answers.
type reply func(c *call, v any) any

// strip takes the namespace out of a reply that has keys in it.
func (c *call) strip(after reply) {
	bare := func(key string) string { return strings.TrimPrefix(key, c.ns) }
	switch cmd := c.cmd.(type) {
	case *redis.ZWithKeyCmd:
		if v := cmd.Val(); v != nil {
			v.Key = bare(v.Key)
		}
	case *redis.KeyValuesCmd:
		key, values := cmd.Val()
		cmd.SetVal(bare(key), values)
	case *redis.ZSliceWithKeyCmd:
		key, values := cmd.Val()
		cmd.SetVal(bare(key), values)
	case *redis.XStreamSliceCmd:
		streams := cmd.Val()
		for i := range streams {
			streams[i].Stream = bare(streams[i].Stream)
		}
	case *redis.ScanCmd:
		page, cursor := cmd.Val()
		cmd.SetVal(bareAll(page, c.ns), cursor)
	case *redis.MapStringIntCmd:
		counts := map[string]int64{}
		for key, n := range cmd.Val() {
			counts[bare(key)] = n
		}
		cmd.SetVal(counts)
	case *redis.StringSliceCmd:
		c.stripStrings(cmd, after)
	case *redis.StringCmd:
		if s, ok := after(c, cmd.Val()).(string); ok {
			cmd.SetVal(s)
		}
	case *redis.SliceCmd:
		if v, ok := after(c, cmd.Val()).([]any); ok {
			cmd.SetVal(v)
		}
	case *redis.Cmd:
		cmd.SetVal(after(c, cmd.Val()))
	}
}

func bareAll(keys []string, ns string) []string {
	for i, key := range keys {
		keys[i] = strings.TrimPrefix(key, ns)
	}
	return keys
}

// stripStrings goes by what is done to the same reply as anything.
func (c *call) stripStrings(cmd *redis.StringSliceCmd, after reply) {
	values := cmd.Val()
	anything := make([]any, len(values))
	for i, v := range values {
		anything[i] = v
	}
	bare, _ := after(c, anything).([]any)
	for i := range bare {
		values[i], _ = bare[i].(string)
	}
}

// stripAll is for a list of keys.
func stripAll(c *call, v any) any {
	list, _ := v.([]any)
	for i := range list {
		list[i] = stripOne(c, list[i])
	}
	return v
}

func stripOne(c *call, v any) any {
	if s, ok := v.(string); ok {
		return strings.TrimPrefix(s, c.ns)
	}
	return v
}

// stripFirst is for a key and what was taken from it.
func stripFirst(c *call, v any) any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		list[0] = stripOne(c, list[0])
	}
	return v
}

// stripPairs is for keys each with something about it, as a list or as a map.
func stripPairs(c *call, v any) any {
	switch v := v.(type) {
	case []any:
		for i := 0; i < len(v); i += 2 {
			v[i] = stripOne(c, v[i])
		}
	case map[any]any:
		bare := make(map[any]any, len(v))
		for key, value := range v {
			bare[stripOne(c, key)] = value
		}
		return bare
	}
	return v
}

// stripStreams is for a list of streams, each with its name first, or a map.
func stripStreams(c *call, v any) any {
	list, ok := v.([]any)
	if !ok {
		return stripPairs(c, v)
	}
	for i := range list {
		list[i] = stripFirst(c, list[i])
	}
	return v
}

// stripScan is for a cursor and a page of keys.
func stripScan(c *call, v any) any {
	if list, ok := v.([]any); ok && len(list) == 2 {
		list[1] = stripAll(c, list[1])
	}
	return v
}

// readable takes the namespace out of what the server says, and explains what
// a cluster says.
func readable(err error, ns string) error {
	var reply redis.Error
	if !errors.As(err, &reply) || errors.Is(err, redis.Nil) {
		return err
	}
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "CROSSSLOT"):
		return &replyError{err, "cache: the keys are on several nodes of the cluster; give them one {tag}, or set Options.HashTags (" + text + ")"}
	case strings.Contains(text, ns):
		return &replyError{err, strings.ReplaceAll(text, ns, "")}
	}
	return err
}

// replyError is what the server said, in other words.
type replyError struct {
	err  error
	text string
}

func (e *replyError) Error() string { return e.text }

func (e *replyError) Unwrap() error { return e.err }
