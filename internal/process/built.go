package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Built returns the program of a name that make builds for tests: the one in
// PATH, else the newest that is in the folder .bin of this module. It is "" when
// there is none.
func Built(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	folder, err := os.Getwd()
	for err == nil {
		if found, _ := filepath.Glob(filepath.Join(folder, ".bin", name+"-v*")); len(found) > 0 {
			return slices.Max(found)
		}
		up := filepath.Dir(folder)
		if up == folder {
			break
		}
		folder = up
	}
	return ""
}
