package cache

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// call is one command on its way to the server and back.
type call struct {
	cmd     redis.Cmder // the caller's
	sent    redis.Cmder // cmd, or what goes in its place
	command *command
	home    *home
	ns      string // what the tenant's keys begin with, or its channels
	saved   []saved
}

// saved is an argument that was rewritten. It stands in the argument's place
// meanwhile: go-redis asks it for its bytes, which are used again and again, so
// that a rewritten key allocates nothing.
type saved struct {
	at  int
	was any
	now []byte
}

// MarshalBinary implements [encoding.BinaryMarshaler], for go-redis to send.
func (s *saved) MarshalBinary() ([]byte, error) { return s.now, nil }

// String implements [fmt.Stringer], for go-redis to find a cluster's slot by.
func (s *saved) String() string { return string(s.now) }

// calls keeps what calls are made of, as many at a time as went together. Its
// zero value is ready.
type calls struct{ one, many sync.Pool }

// get returns n calls that are nobody's.
func (p *calls) get(n int) *[]call {
	pool := p.pool(n)
	all, ok := pool.Get().(*[]call)
	if !ok {
		all = new([]call)
	}
	if cap(*all) < n {
		*all = make([]call, n)
	}
	*all = (*all)[:n]
	return all
}

// most is how many calls are kept of those that went together.
const most = 1 << 10

// put takes them back.
func (p *calls) put(all *[]call) {
	if len(*all) > most {
		return
	}
	for i := range *all {
		(*all)[i].clear()
	}
	p.pool(len(*all)).Put(all)
}

// pool keeps single calls apart, so that those of pipelines are not used up by
// them.
func (p *calls) pool(n int) *sync.Pool {
	if n == 1 {
		return &p.one
	}
	return &p.many
}

// longest is how long an argument may be whose bytes are kept for another.
const longest = 1 << 10

// clear leaves nothing of a call but memory.
func (c *call) clear() {
	for i := range c.saved {
		s := &c.saved[i]
		if s.was = nil; cap(s.now) > longest {
			s.now = nil
		}
	}
	*c = call{saved: c.saved[:0]}
}

// open rewrites the command for the tenant at home in ns.
func (c *call) open() error {
	var err error
	if c.command.before != nil {
		err = c.command.before(c)
	} else {
		err = c.byKeys()
	}
	if err != nil {
		c.restore()
		if errors.Is(err, redis.ErrNoScript) {
			return err //nolint:wrapcheck // what go-redis looks for, to send the script itself
		}
		return &CommandError{Name: c.command.name, Reason: err.Error()}
	}
	return nil
}

// close gives the caller's command the reply, and its arguments back.
func (c *call) close() {
	if c.sent != c.cmd {
		handOver(c.cmd, c.sent)
	}
	c.restore()
	if c.command.after != nil && c.cmd.Err() == nil {
		c.strip(c.command.after)
	}
	if err := c.cmd.Err(); err != nil {
		c.cmd.SetErr(readable(err, c.ns))
	}
}

func (c *call) restore() {
	args := c.cmd.Args()
	for _, s := range c.saved {
		args[s.at] = s.was
	}
}

// byKeys rewrites what the command's specifications say.
func (c *call) byKeys() error {
	args := c.cmd.Args()
	for i := range c.command.keys {
		if err := c.command.keys[i].positions(args, c.rewrite); err != nil {
			return err
		}
	}
	return nil
}

// rewrite puts the namespace in front of an argument.
func (c *call) rewrite(at int) error {
	args := c.cmd.Args()
	if _, done := args[at].(*saved); done {
		return nil // the same command is twice in a pipeline
	}
	key, ok := text(args[at])
	if !ok {
		if key, ok = number(args[at]); !ok {
			return fmt.Errorf("argument %d is a %T, not a key", at, args[at])
		}
	}
	c.replace(at, c.ns, key)
	return nil
}

// replace puts a text of two parts in an argument's place.
func (c *call) replace(at int, first, second string) {
	n := len(c.saved)
	if n < cap(c.saved) {
		c.saved = c.saved[:n+1]
	} else { // those that stand in places already stay what they are
		c.saved = append(c.saved, saved{})
	}
	s, args := &c.saved[n], c.cmd.Args()
	s.at, s.was, s.now = at, args[at], append(append(s.now[:0], first...), second...)
	args[at] = s
}

// number returns an argument that go-redis would write as an integer.
func number(arg any) (string, bool) {
	switch arg.(type) {
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(arg), true
	}
	return "", false
}

// extend sends the command with more arguments than it came with.
func (c *call) extend(more ...any) error {
	args := append(append(make([]any, 0, len(c.cmd.Args())+len(more)), c.cmd.Args()...), more...)
	switch c.cmd.(type) {
	case *redis.ScanCmd:
		c.sent = redis.NewScanCmd(nil, nil, args...) //nolint:staticcheck // SA1012: it is the caller's command that has a context
	case *redis.StringSliceCmd:
		c.sent = redis.NewStringSliceCmd(nil, args...) //nolint:staticcheck // SA1012: as above
	case *redis.Cmd:
		c.sent = redis.NewCmd(nil, args...) //nolint:staticcheck // SA1012: as above
	default:
		return fmt.Errorf("its reply would be a %T", c.cmd)
	}
	return nil
}

// handOver gives a command the reply of the one that went in its place.
func handOver(to, from redis.Cmder) {
	switch from := from.(type) {
	case *redis.ScanCmd:
		if to, ok := to.(*redis.ScanCmd); ok {
			to.SetVal(from.Val())
		}
	case *redis.StringSliceCmd:
		if to, ok := to.(*redis.StringSliceCmd); ok {
			to.SetVal(from.Val())
		}
	case *redis.Cmd:
		if to, ok := to.(*redis.Cmd); ok {
			to.SetVal(from.Val())
		}
	}
	to.SetErr(from.Err())
}

// second rewrites the first argument behind the command's name.
func (c *call) second() error { return c.from(1, 1) }

// publish is PUBLISH and SPUBLISH.
func (c *call) publish() error {
	c.ns = c.home.channels()
	return c.second()
}

// counted is PUBSUB NUMSUB and SHARDNUMSUB.
func (c *call) counted() error {
	c.ns = c.home.channels()
	return c.from(2, len(c.cmd.Args())-1)
}

func (c *call) from(first, last int) error {
	if last >= len(c.cmd.Args()) {
		return fmt.Errorf("%d arguments are too few", len(c.cmd.Args()))
	}
	for at := first; at <= last; at++ {
		if err := c.rewrite(at); err != nil {
			return err
		}
	}
	return nil
}

// pattern is KEYS: a namespace has no character that means something in a
// pattern, so what matches begins with it.
func (c *call) pattern() error {
	if err := c.second(); err != nil {
		return err
	}
	return c.oneNode(1)
}

// oneNode has a cluster asked where the tenant's keys are, by the argument that
// holds the tag.
func (c *call) oneNode(at int8) error {
	if c.home.cluster && !c.home.opts.HashTags {
		return errors.New("of a cluster it sees one node; use All, or set Options.HashTags")
	}
	c.sent.SetFirstKeyPos(at)
	return nil
}

// channels is PUBSUB CHANNELS and SHARDCHANNELS, which show everybody's when
// they are given no pattern.
func (c *call) channels() error {
	c.ns = c.home.channels()
	if len(c.cmd.Args()) > 2 {
		return c.from(2, len(c.cmd.Args())-1)
	}
	return c.extend(c.ns + "*")
}

// copy is COPY, which can reach into another database.
func (c *call) copy() error {
	args := c.cmd.Args()
	for at := 3; at < len(args); at++ {
		s, ok := word(args[at])
		if !ok {
			return fmt.Errorf("argument %d is no option", at)
		}
		if s != "db" {
			continue
		}
		at++
		if at >= len(args) {
			return errors.New("DB is given nothing")
		}
		if n, err := natural(args[at]); err != nil || n != c.home.database() {
			return errors.New("DB leads into another database")
		}
	}
	return c.byKeys()
}

// scan is SCAN with everything that it may be given.
func (c *call) scan() error {
	args := c.cmd.Args()
	matched := 0
	for at := 2; at < len(args); at += 2 {
		name, ok := word(args[at])
		if !ok || at+1 >= len(args) {
			return fmt.Errorf("argument %d is no option", at)
		}
		switch name {
		case "match":
			matched = at + 1
			if err := c.rewrite(at + 1); err != nil {
				return err
			}
		case "count", "type":
		default:
			return fmt.Errorf("%.20q is no option that is known", name)
		}
	}
	if matched == 0 {
		matched = len(args) + 1
		if err := c.extend("match", c.ns+"*"); err != nil {
			return err
		}
	}
	return c.oneNode(int8(min(matched, math.MaxInt8)))
}

// sort is SORT and SORT_RO, whose patterns are keys of other values.
func (c *call) sort() error {
	args := c.cmd.Args()
	if err := c.second(); err != nil {
		return err
	}
	for at := 2; at < len(args); at++ {
		name, ok := word(args[at])
		if !ok {
			return fmt.Errorf("argument %d is no option", at)
		}
		switch name {
		case "asc", "desc", "alpha":
		case "limit":
			at += 2
		case "by", "get", "store":
			at++
			if at >= len(args) {
				return fmt.Errorf("%s is given nothing", strings.ToUpper(name))
			}
			if s, ok := text(args[at]); ok && s == "#" && name == "get" {
				continue // the element itself
			}
			if err := c.rewrite(at); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%.20q is no option that is known", name)
		}
	}
	return nil
}
