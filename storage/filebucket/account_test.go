package filebucket_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/partywall/partywall/storage/filebucket"
	"github.com/partywall/partywall/tenant"
)

// TestAccount: a bucket is made and removed, again too; one with files stays,
// and no name leads out of the folder.
func TestAccount(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a", "b")
	a, err := filebucket.New(folder, nil)
	must(t, err)
	for range 2 {
		must(t, a.Create(t.Context(), "files"))
	}
	b, err := a.Open(t.Context(), "files")
	must(t, err)
	must(t, b.WriteAll(t.Context(), "a/b/c", []byte("x"), nil))
	if err := a.Remove(t.Context(), "files"); err == nil {
		t.Error("removed a bucket that has a file")
	}
	must(t, b.Delete(t.Context(), "a/b/c"))
	must(t, b.Close())
	for range 2 {
		must(t, a.Remove(t.Context(), "files"))
	}
	if _, err := os.Stat(filepath.Join(folder, "files")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := a.Open(t.Context(), "files"); err == nil {
		t.Error("opened a bucket that is not there")
	}
	for _, name := range []string{"", "..", "../x", "a/b", "/etc", `a\b`, "a\x00"} {
		_, openErr := a.Open(t.Context(), name)
		for what, err := range map[string]error{"open": openErr, "create": a.Create(t.Context(), name), "remove": a.Remove(t.Context(), name)} {
			if !errors.Is(err, tenant.ErrInvalid) {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
