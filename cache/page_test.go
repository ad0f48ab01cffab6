package cache

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const pageFile = "../docs/cache-commands.md"

var update = flag.Bool("update", false, "write docs/cache-commands.md") //nolint:gochecknoglobals // a flag of the tests

// TestPage holds docs/cache-commands.md to what is done; with -update it writes
// it.
func TestPage(t *testing.T) {
	t.Parallel()
	want := commandPage()
	if *update {
		must(t, os.WriteFile(pageFile, []byte(want), 0o644))
	}
	got, err := os.ReadFile(pageFile)
	must(t, err)
	if string(got) != want {
		t.Error("docs/cache-commands.md is stale; run: go test ./cache -run TestPage -update")
	}
	for _, line := range []string{"`flushall` | refused", "`get` | rewritten", "`scan` | special", "`ping` | passed"} {
		if !strings.Contains(want, line) {
			t.Errorf("the page has no %s", line)
		}
	}
}

const pageHead = `# What package cache does to each command

Made from the table that the wall goes by; a test keeps it so. A name of two words is a subcommand.

* **rewritten**: what Redis says are keys gets the tenant in front. The last column says where they are.
* **passed**: it has no keys, and shows nothing of anybody.
* **special**: it names keys where Redis's specifications do not look, and is read by rules of its own.
* **refused**: nothing is sent; the caller gets a CommandError with the reason. The server is asked once about a command that is
  not here; it is let through only if the server says where all its keys are, and does not call it dangerous.

A * is for commands that write: a tenant that may only read is refused them.

| command | what | how, or why |
|---|---|---|
`

// commandPage is the page.
func commandPage() string {
	var page strings.Builder
	page.WriteString(pageHead)
	all := known()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		if c.below == nil {
			page.WriteString(c.line())
		}
		for _, inner := range slices.Sorted(maps.Keys(c.below)) {
			page.WriteString(c.below[inner].line())
		}
	}
	return page.String()
}

// line is the row of one command.
func (c *command) line() string {
	what, how := "rewritten", ""
	switch {
	case c.refused != "":
		what, how = "refused", c.refused
	case c.before != nil:
		what = "special"
	case len(c.keys) == 0:
		what = "passed"
	default:
		var where []string
		for _, k := range c.keys {
			where = append(where, k.line())
		}
		how = strings.Join(where, "; ")
	}
	if c.outside {
		how = strings.TrimPrefix(how+"; goes by the host's own user under level User", "; ")
	}
	if c.refused == "" && c.writes {
		what += " *"
	}
	return fmt.Sprintf("| `%s` | %s | %s |\n", strings.ReplaceAll(c.name, "|", " "), what, how)
}

// line says where keys are.
func (k *keySpec) line() string {
	at := fmt.Sprint("argument ", k.begin)
	if k.keyword != "" {
		at = "behind " + k.keyword
	}
	switch {
	case k.counted:
		return fmt.Sprintf("as many as argument %d says, from %d", k.begin+k.number, k.begin+k.first)
	case k.limit > 1:
		at += fmt.Sprintf(", 1 of each %d", k.limit)
	case k.last == -1:
		at += " to the last"
	case k.last < 0:
		at += fmt.Sprintf(" to the last but %d", -k.last-1)
	case k.last > 0:
		at += fmt.Sprintf(" to %d", k.begin+k.last)
	}
	if k.step > 1 {
		at += fmt.Sprintf(", each %d", k.step)
	}
	return at
}
