package cache

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// strip takes the namespace out of a reply that has keys in it.
func strip(cmd redis.Cmder, ns string, after func(v any, ns string) any) {
	bare := func(key string) string { return strings.TrimPrefix(key, ns) }
	switch cmd := cmd.(type) {
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
		cmd.SetVal(bareAll(page, ns), cursor)
	case *redis.MapStringIntCmd:
		counts := map[string]int64{}
		for key, n := range cmd.Val() {
			counts[bare(key)] = n
		}
		cmd.SetVal(counts)
	case *redis.StringSliceCmd:
		stripStrings(cmd, ns, after)
	case *redis.StringCmd:
		if s, ok := after(cmd.Val(), ns).(string); ok {
			cmd.SetVal(s)
		}
	case *redis.SliceCmd:
		if v, ok := after(cmd.Val(), ns).([]any); ok {
			cmd.SetVal(v)
		}
	case *redis.Cmd:
		cmd.SetVal(after(cmd.Val(), ns))
	}
}

func bareAll(keys []string, ns string) []string {
	for i, key := range keys {
		keys[i] = strings.TrimPrefix(key, ns)
	}
	return keys
}

// stripStrings goes by what is done to the same reply as anything.
func stripStrings(cmd *redis.StringSliceCmd, ns string, after func(v any, ns string) any) {
	values := cmd.Val()
	anything := make([]any, len(values))
	for i, v := range values {
		anything[i] = v
	}
	bare, _ := after(anything, ns).([]any)
	for i := range bare {
		values[i], _ = bare[i].(string)
	}
}

// stripAll is for a list of keys.
func stripAll(v any, ns string) any {
	list, _ := v.([]any)
	for i := range list {
		list[i] = stripOne(list[i], ns)
	}
	return v
}

func stripOne(v any, ns string) any {
	if s, ok := v.(string); ok {
		return strings.TrimPrefix(s, ns)
	}
	return v
}

// stripFirst is for a key and what was taken from it.
func stripFirst(v any, ns string) any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		list[0] = stripOne(list[0], ns)
	}
	return v
}

// stripPairs is for keys each with something about it, as a list or as a map.
func stripPairs(v any, ns string) any {
	switch v := v.(type) {
	case []any:
		for i := 0; i < len(v); i += 2 {
			v[i] = stripOne(v[i], ns)
		}
	case map[any]any:
		bare := make(map[any]any, len(v))
		for key, value := range v {
			bare[stripOne(key, ns)] = value
		}
		return bare
	}
	return v
}

// stripStreams is for a list of streams, each with its name first, or a map.
func stripStreams(v any, ns string) any {
	list, ok := v.([]any)
	if !ok {
		return stripPairs(v, ns)
	}
	for i := range list {
		list[i] = stripFirst(list[i], ns)
	}
	return v
}

// stripScan is for a cursor and a page of keys.
func stripScan(v any, ns string) any {
	if list, ok := v.([]any); ok && len(list) == 2 {
		list[1] = stripAll(list[1], ns)
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
