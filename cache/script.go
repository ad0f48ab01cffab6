package cache

import (
	"crypto/sha1" //nolint:gosec // G505: it is how Redis names scripts
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed sandbox.lua
var sandboxSource string

// maxScripts bounds the scripts that are remembered. Those forgotten come back
// when they are sent again, as go-redis does by itself.
const maxScripts = 10_000

// scripts remembers which script a hash of the caller's stands for. What the
// server gets is the script inside a sandbox, and that has another hash.
type scripts struct {
	sandbox string

	mu     sync.RWMutex
	hashes map[string]string // the caller's to the server's
}

func newScripts(all commands) *scripts {
	return &scripts{sandbox: sandbox(all), hashes: map[string]string{}}
}

// wrap returns the script as the server gets it, and remembers it.
func (s *scripts) wrap(script string) string {
	shebang := ""
	if strings.HasPrefix(script, "#!") { // has to stay the first line
		end := strings.IndexByte(script, '\n') + 1
		shebang, script = script[:end], script[end:]
	}
	wrapped := shebang + s.sandbox + script
	s.remember(hash(shebang+script), hash(wrapped))
	return wrapped
}

func (s *scripts) remember(theirs, ours string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hashes) >= maxScripts {
		for other := range s.hashes {
			delete(s.hashes, other)
			break
		}
	}
	s.hashes[theirs] = ours
}

// wrapped returns the hash of a script as the server has it.
func (s *scripts) wrapped(theirs string) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ours, ok := s.hashes[strings.ToLower(theirs)]
	return ours, ok
}

func hash(script string) string {
	sum := sha1.Sum([]byte(script)) //nolint:gosec // G401: it is how Redis names scripts
	return hex.EncodeToString(sum[:])
}

// sandbox is sandbox.lua on one line, with the commands that a script may call.
func sandbox(all commands) string {
	var lines []string
	for line := range strings.Lines(sandboxSource) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	return strings.Replace(strings.Join(lines, " "), "%SPECS%", callable(all), 1) + " "
}

// callable are the commands of a script: those whose keys are at places that
// can be counted.
func callable(all commands) string {
	var specs []string
	for name := range strings.FieldsSeq(harmless) {
		specs = append(specs, name+"={}")
	}
	for name, c := range all {
		if c.refused != "" || c.before != nil || c.below != nil || strings.Contains(name, ".") {
			continue
		}
		var fields []string
		for _, k := range c.keys {
			if k.keyword != "" || k.limit > 1 {
				fields = nil
				break
			}
			middle := k.last
			if k.counted {
				middle = k.number
			}
			fields = append(fields, fmt.Sprintf("%t,%d,%d,%d,%d", k.counted, k.begin, middle, max(1, k.step), k.first))
		}
		if len(fields) > 0 {
			specs = append(specs, fmt.Sprintf("%s={%s}", name, strings.Join(fields, ",")))
		}
	}
	slices.Sort(specs)
	return strings.Join(specs, ",")
}

// script is EVAL and EVAL_RO.
func (c *call) script() error {
	source, err := c.argument(1)
	if err != nil {
		return err
	}
	c.replace(1, "", c.home.scripts.wrap(source))
	return c.byKeys()
}

// hashed is EVALSHA and EVALSHA_RO. A script that this process has not seen is
// not known, whatever the server has.
func (c *call) hashed() error {
	theirs, err := c.argument(1)
	if err != nil {
		return err
	}
	ours, ok := c.home.scripts.wrapped(theirs)
	if !ok {
		return redis.ErrNoScript
	}
	c.replace(1, "", ours)
	return c.byKeys()
}

// load is SCRIPT LOAD.
func (c *call) load() error {
	source, err := c.argument(2)
	if err != nil {
		return err
	}
	c.replace(2, "", c.home.scripts.wrap(source))
	return nil
}

// renameScript gives the caller the hash that it knows the script by.
func renameScript(c *call, _ any) any {
	source, _ := c.argument(2)
	return hash(source)
}

// exists is SCRIPT EXISTS.
func (c *call) exists() error {
	for at := 2; at < len(c.cmd.Args()); at++ {
		theirs, err := c.argument(at)
		if err != nil {
			return err
		}
		ours, ok := c.home.scripts.wrapped(theirs)
		if !ok {
			ours = strings.Repeat("0", 2*sha1.Size) // no script's
		}
		c.replace(at, "", ours)
	}
	return nil
}

var errArgument = errors.New("an argument is missing, or is no text")

func (c *call) argument(at int) (string, error) {
	args := c.cmd.Args()
	if at >= len(args) {
		return "", errArgument
	}
	s, ok := text(args[at])
	if !ok {
		return "", errArgument
	}
	return s, nil
}
