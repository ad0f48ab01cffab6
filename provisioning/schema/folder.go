package schema

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// folder is a flat file system in memory, by name: goose reads the text that
// was checked, whatever becomes of the host's files.
type folder map[string]string

var _ fs.GlobFS = folder{}

// Open implements [fs.FS].
func (f folder) Open(name string) (fs.File, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{Reader: strings.NewReader(text), name: name}, nil
}

// Glob implements [fs.GlobFS].
func (f folder) Glob(pattern string) ([]string, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		switch ok, err := path.Match(pattern, name); {
		case err != nil:
			return nil, err
		case ok:
			names = append(names, name)
		}
	}
	return names, nil
}

// file implements [fs.File] and [fs.FileInfo].
type file struct {
	*strings.Reader

	name string
}

func (f *file) Stat() (fs.FileInfo, error) { return f, nil }

func (*file) Close() error { return nil }

func (f *file) Name() string { return f.name }

func (*file) Mode() fs.FileMode { return 0o444 }

func (*file) ModTime() time.Time { return time.Time{} }

func (*file) IsDir() bool { return false }

func (*file) Sys() any { return nil }
