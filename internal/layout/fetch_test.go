package layout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestLibrariesFetchNothing holds what case 55 of internal/trial/attack says: no
// library goes to an address that a tenant may name. Whoever builds one that does
// gives that case something to attack, and names it here.
func TestLibrariesFetchNothing(t *testing.T) {
	t.Parallel()

	root := os.DirFS("../..")
	files := 0

	for _, folder := range []string{"tenant", "isolation", "storage", "cache", "billing", "provisioning"} {
		if _, err := fs.Stat(root, folder); err != nil {
			continue // to come
		}

		err := fs.WalkDir(root, folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}

			files++

			text, err := fs.ReadFile(root, path)
			for _, found := range fetches(t, string(text)) {
				if path == "tenant/domain/autotls/authority.go" {
					continue // goes to the authorities that the host has named
				}

				t.Errorf("%s uses %s", path, found)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	if files < 50 {
		t.Errorf("only %d files: the walk misses most", files)
	}

	control := `package p; import ("net"; "net/http"); var a, b, c = http.DefaultClient, net.Dial, new(net.Dialer)`
	if got := fetches(t, control); len(got) != 3 {
		t.Errorf("control: got %q", got)
	}
}

// fetches lists what a file uses that opens a connection.
func fetches(t *testing.T, text string) []string {
	t.Helper()

	opens := regexp.MustCompile(`^(http\.(Get|Head|Post|PostForm|Client|DefaultClient|Transport|DefaultTransport|NewRequest|NewRequestWithContext)|net\.Dial\w*)$`)

	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}

	var found []string

	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && opens.MatchString(pkg.Name+"."+sel.Sel.Name) {
				found = append(found, pkg.Name+"."+sel.Sel.Name)
			}
		}

		return true
	})

	return found
}
