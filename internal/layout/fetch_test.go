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

// fetchers are the files that may open connections to what tenants name, each
// with the cases of internal/trial/attack that attack it; or to what nobody but
// the operator names.
func fetchers() map[string]string {
	return map[string]string{
		"tenant/domain/autotls/authority.go": "none: to the CAs that the operator has named",
		"tenant/domain/autotls/transport.go": "none: the same",

		"tenant/domain/proof/fetch.go":  "55, 55b: HTTP proofs, by the guard's dialer alone",
		"tenant/domain/proof/guard.go":  "55, 55b: the guard's dialer",
		"tenant/domain/proof/prover.go": "55n: DNS, to resolvers of the host's and public servers of zones",
	}
}

// TestLibrariesFetchNothing holds what case 55 of internal/trial/attack says: no
// library goes to an address that a tenant may name, but for the fetchers. Whoever
// builds another gives that case something to attack, and names it here.
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
			found := fetches(t, string(text))
			cases, may := fetchers()[path]
			if may && len(found) == 0 {
				t.Errorf("%s (%s) fetches nothing any more", path, cases)
			}

			for _, found := range found {
				if !may {
					t.Errorf("%s uses %s", path, found)
				}
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
