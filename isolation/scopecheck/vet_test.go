package scopecheck_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// build makes the command and returns its path.
func build(t *testing.T) string {
	t.Helper()

	tool := filepath.Join(t.TempDir(), "scopecheck")
	if runtime.GOOS == "windows" {
		tool += ".exe"
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", tool, "./cmd/scopecheck").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return tool
}

// vet runs a command of the tool's in a folder, and returns what it says and
// whether it was content.
func vet(t *testing.T, dir, name string, args ...string) (string, bool) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// TestSilence runs the tool over an example and the libraries that it needs, with
// their tests: whatever it reports there is a false alarm. make check runs it over
// the whole repository.
func TestSilence(t *testing.T) {
	t.Parallel()

	read(t, "../../examples/minimal", "../../isolation", "../../tenant")
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-vettool="+build(t), "./examples/minimal", "./isolation", "./tenant")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}

// read opens all Go files below the folders, so that the test cache knows what
// the test depends on.
func read(t *testing.T, dirs ...string) {
	t.Helper()

	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestVet checks a host of its own, as a user would, in both ways.
func TestVet(t *testing.T) {
	t.Parallel()

	tool, host := build(t), newHost(t)
	for name, command := range map[string][]string{
		"go vet": {"go", "vet", "-vettool=" + tool, "./..."},
		"alone":  {tool, "./..."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			out, ok := vet(t, host, command[0], command[1:]...)
			if ok {
				t.Error("it is content")
			}
			for _, want := range []string{
				"host.go:13:2: Query of a raw *pgxpool.Pool where a tenant is in scope",
				"host.go:14:17: context.Background here loses the tenant",
				"host.go:14:39: SQL put together from values",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if n := strings.Count(out, "host.go:"); n != 3 {
				t.Errorf("%d findings, want 3", n)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// newHost writes a module that uses this one.
func newHost(t *testing.T) string {
	t.Helper()

	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		// The versions of this module, so that nothing has to be resolved.
		"go.mod": strings.Replace(string(mod), "module github.com/partywall/partywall", "module example.com/host", 1) +
			"\nrequire github.com/partywall/partywall v0.0.0\n\nreplace github.com/partywall/partywall => " + root + "\n",
		"go.sum": string(sum),
		"host.go": `package host

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
)

func handle(w http.ResponseWriter, r *http.Request, pool *pgxpool.Pool, db *isolation.DB) {
	pool.Query(r.Context(), "SELECT 1")
	_, _ = db.Exec(context.Background(), "DELETE FROM orders WHERE item = '" + r.FormValue("item") + "'")
	_, _ = pool.Exec(r.Context(), "SELECT 1") //scopecheck:allow a table of countries
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
