package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Find returns the folder that holds initdb and postgres: binDir when it is
// not empty, else that of the postgres in PATH, else the highest version where
// distributions put their versions side by side. It returns a
// [*NotFoundError] when there is none.
func Find(binDir string) (string, error) {
	if binDir != "" {
		if complete(binDir) {
			return binDir, nil
		}

		return "", &NotFoundError{Looked: []string{binDir}}
	}

	missing := &NotFoundError{}

	if path, err := exec.LookPath("postgres"); err == nil && complete(filepath.Dir(path)) {
		return filepath.Dir(path), nil
	}

	missing.Looked = append(missing.Looked, "PATH")

	for _, pattern := range versionedFolders() {
		if dir := highest(pattern); dir != "" {
			return dir, nil
		}

		missing.Looked = append(missing.Looked, pattern)
	}

	return "", missing
}

// NotFoundError is returned when this machine has no PostgreSQL server.
type NotFoundError struct {
	// Looked lists the places where there is none.
	Looked []string
}

// Error says what was looked for, where, and what to install.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("pgserver: found no folder with initdb and postgres (looked in %s): apt-get install postgresql",
		strings.Join(e.Looked, ", "))
}

// versionedFolders are where Debian, Red Hat and Homebrew keep versions.
func versionedFolders() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
	}
}

// highest returns the complete folder with the greatest number in its path.
func highest(pattern string) string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return ""
	}

	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !complete(dir) })
	if len(dirs) == 0 {
		return ""
	}

	return slices.MaxFunc(dirs, func(a, b string) int { return version(a) - version(b) })
}

// version reads the digits out of the name of the folder above bin; 0 when it
// has none, which sorts it last.
func version(dir string) int {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}

		return r
	}, filepath.Base(filepath.Dir(dir)))

	number, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}

	return number
}

// complete tells a server's folder from a client's, which has psql only.
func complete(dir string) bool {
	_, initdb := os.Stat(filepath.Join(dir, "initdb"))
	_, postgres := os.Stat(filepath.Join(dir, "postgres"))

	return errors.Join(initdb, postgres) == nil
}
