package cache

import "strings"

// command is what is known of one command of Redis.
type command struct {
	name   string // "get", or with a subcommand "object|freq"
	keys   []keySpec
	writes bool
	grows  bool                // may need memory
	below  map[string]*command // by subcommand

	// The rest is ours, not Redis's; see policy.go.

	refused   string              // why, "" if it is let through
	before    func(c *call) error // instead of rewriting by keys
	after     reply               // takes the prefix out of a reply
	everyNode bool                // of a cluster has to hear it
	outside   bool                // needs the host's own user under level User
}

// keySpec says where a command's keys are, in the words of
// https://redis.io/docs/latest/develop/reference/key-specs/: where to begin, at
// a position or behind a keyword, and which arguments from there on.
type keySpec struct {
	begin   int    // the position, or where to look for the keyword; negative from the end
	keyword string // upper case

	last, step, limit int // a range of keys

	counted       bool // a number of keys instead, said by an argument
	number, first int  // where that is, and where the first key is, from begin

	partial bool // there are keys that the server does not say of
	channel bool // what is there is a channel, not a key
}

// commands is what the wall knows of Redis.
type commands map[string]*command

// known returns the commands of [table], each with what the wall does to it.
func known() commands {
	all := commands{}
	for _, c := range table() {
		all.add(&c)
	}
	for _, c := range modules() {
		all.add(&c)
	}
	all.decide()
	return all
}

// add adds a command; a container comes before what is in it.
func (all commands) add(c *command) {
	if outer, inner, ok := strings.Cut(c.name, "|"); ok {
		if all[outer].below == nil {
			all[outer].below = map[string]*command{}
		}
		all[outer].below[inner] = c
		return
	}
	all[c.name] = c
}

// at returns a command by its whole name, such as "object|freq".
func (all commands) at(name string) *command {
	outer, inner, ok := strings.Cut(name, "|")
	if c := all[outer]; !ok || c == nil {
		return c
	}
	return all[outer].below[inner]
}

// of returns the command that arguments begin with, nil if none is known.
func (all commands) of(args []any) *command {
	if len(args) == 0 {
		return nil
	}
	name, ok := word(args[0])
	if !ok {
		return nil
	}
	c := all[name]
	if c == nil || c.below == nil {
		return c
	}
	if len(args) < 2 {
		return nil
	}
	if name, ok = word(args[1]); !ok {
		return nil
	}
	return c.below[name]
}

// word returns an argument that is a name, in lower case.
func word(arg any) (string, bool) {
	s, ok := text(arg)
	return strings.ToLower(s), ok
}

// text returns an argument that is a text.
func text(arg any) (string, bool) {
	switch v := arg.(type) {
	case string:
		return v, true
	case *string:
		if v != nil {
			return *v, true
		}
	case []byte:
		return string(v), true
	}
	return "", false
}
