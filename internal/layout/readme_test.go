package layout_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSnippetsAreCompiled finds each Go and SQL snippet of the README and the
// docs, line by line, in a file that is compiled or run: so none goes stale.
func TestSnippetsAreCompiled(t *testing.T) {
	t.Parallel()

	root := os.DirFS("../..")

	pages, err := fs.Glob(root, "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}

	snippets := regexp.MustCompile("(?s)```(?:go|sql)\n(.*?)```")
	files, found := flattened(t, root), 0

	for _, page := range append(pages, "README.md") {
		text, err := fs.ReadFile(root, page)
		if err != nil {
			t.Fatal(err)
		}

		for _, snippet := range snippets.FindAllStringSubmatch(string(text), -1) {
			found++

			if !strings.Contains(files, flatten(snippet[1])) {
				t.Errorf("%s: stands in no file:\n%s", page, snippet[1])
			}
		}
	}

	if found < 10 {
		t.Errorf("found %d snippets, which are too few", found)
	}
}

// flattened returns all Go and SQL files of the tree in one text.
func flattened(t *testing.T, tree fs.FS) string {
	t.Helper()

	var all strings.Builder

	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".sql") {
			return err
		}

		text, err := fs.ReadFile(tree, name)
		all.WriteString(flatten(string(text)))

		return err //nolint:wrapcheck // the test prints it
	})
	if err != nil {
		t.Fatal(err)
	}

	return all.String()
}

// flatten takes away what depends on where a snippet stands: indentation, blank
// lines, and the end of a literal.
func flatten(text string) string {
	var flat strings.Builder

	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(strings.TrimSpace(line), "`"); line != "" {
			flat.WriteString(line + "\n")
		}
	}

	return flat.String()
}

// TestSecurityNamesTests finds every test that the page for reviewers names.
func TestSecurityNamesTests(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}

	names := regexp.MustCompile(`\bTest\w+`).FindAllString(string(text), -1)
	if len(names) == 0 {
		t.Fatal("the page names no tests")
	}

	files := flattened(t, os.DirFS("../.."))

	for _, name := range names {
		if !strings.Contains(files, "\nfunc "+name+"(t *testing.T) {\n") {
			t.Errorf("there is no %s", name)
		}
	}
}
