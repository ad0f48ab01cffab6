package cache

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"
)

// faces make go-redis's commands go to a function. Its typed commands are
// methods of its own types alone, so that there is no other way to have them
// than a connection of its: one that never dials, whose hook takes every
// command.
type faces struct{ blank *redis.Client }

var errNoDial = errors.New("cache: past the wall")

func newFaces() *faces {
	return &faces{redis.NewClient(&redis.Options{
		Addr:       "none",
		MaxRetries: -1,
		Dialer:     func(context.Context, string, string) (net.Conn, error) { return nil, errNoDial },
	})}
}

// face returns go-redis's commands, each of which calls process.
func (f *faces) face(process redis.ProcessHook) *redis.Conn {
	conn := f.blank.Conn()
	conn.AddHook(hook(process))
	return conn
}

func (f *faces) close() error { return f.blank.Close() }

// hook is a function as a hook.
type hook redis.ProcessHook

// DialHook implements [redis.Hook].
func (hook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (h hook) ProcessHook(redis.ProcessHook) redis.ProcessHook { return redis.ProcessHook(h) }

// ProcessPipelineHook implements [redis.Hook]. The pipelines of a face are ours,
// so nothing comes by here.
func (hook) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errNoDial }
}
