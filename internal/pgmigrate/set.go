package pgmigrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Set is the migrations of one schema.
type Set struct {
	// Schema is created when it is missing. It has at most 63 lower-case
	// letters, digits and underscores, and does not begin with "pg_".
	Schema string
	// Files holds the migrations at its root, and nothing else that ends in
	// ".sql". Files of other kinds and folders are passed over.
	Files fs.FS
}

// maxFile bounds one migration: what is longer is data and has no place here.
const maxFile = 1 << 20

// migration is one file of a set.
type migration struct {
	version int
	name    string // of the file, such as "001_tenant.sql"
	sql     string
	digest  string
}

// Version returns a digest of the schema's name and of all files, for what has
// to be made anew when any of them changes, such as a template database. It is
// "invalid" for a set that [Apply] refuses.
func (s Set) Version() string {
	files, err := s.load()
	if err != nil {
		return "invalid"
	}
	h := sha256.New()
	fmt.Fprintln(h, s.Schema)
	for _, m := range files {
		fmt.Fprintln(h, m.name, m.digest)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// load reads and checks the whole set and returns all its mistakes together.
func (s Set) load() ([]migration, error) {
	if !validSchema(s.Schema) {
		return nil, fmt.Errorf("%w: schema %q: want 1 to 63 of a-z, 0-9 and _, not beginning with pg_ or a digit",
			ErrInvalidSet, s.Schema)
	}
	if s.Files == nil {
		return nil, fmt.Errorf("%w: schema %s: Files is nil", ErrInvalidSet, s.Schema)
	}
	entries, err := fs.ReadDir(s.Files, ".") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("%w: schema %s: %w", ErrInvalidSet, s.Schema, err)
	}
	var files []migration
	var mistakes []error
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".sql") {
			continue
		}
		m, err := readMigration(s.Files, e.Name(), len(files)+1)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%w: schema %s: %w", ErrInvalidSet, s.Schema, err))
		}
		files = append(files, m)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: schema %s: no files NNN_name.sql", ErrInvalidSet, s.Schema)
	}
	return files, errors.Join(mistakes...)
}

func validSchema(name string) bool {
	return len(name) <= 63 && !strings.HasPrefix(name, "pg_") &&
		regexp.MustCompile(`^[a-z_][a-z0-9_]*$`).MatchString(name)
}

func readMigration(files fs.FS, name string, want int) (migration, error) {
	parts := regexp.MustCompile(`^(\d{3})_[a-z0-9_]{1,60}\.sql$`).FindStringSubmatch(name)
	if parts == nil {
		return migration{}, fmt.Errorf("file %q: want NNN_name.sql with a name of a-z, 0-9 and _", name)
	}
	if version, _ := strconv.Atoi(parts[1]); version != want {
		return migration{}, fmt.Errorf("file %s: want number %03d here", name, want)
	}
	info, err := fs.Stat(files, name)
	if err != nil {
		return migration{}, err
	}
	if info.Size() > maxFile {
		return migration{}, fmt.Errorf("file %s: longer than %d bytes", name, maxFile)
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return migration{}, err
	}
	// A checkout with CRLF is the same migration.
	sql := strings.ReplaceAll(string(text), "\r\n", "\n")
	switch {
	case !utf8.ValidString(sql) || strings.ContainsRune(sql, 0):
		return migration{}, fmt.Errorf("file %s: not UTF-8 text", name)
	case strings.TrimSpace(sql) == "":
		return migration{}, fmt.Errorf("file %s: empty", name)
	}
	sum := sha256.Sum256([]byte(sql))
	return migration{version: want, name: name, sql: sql, digest: hex.EncodeToString(sum[:])}, nil
}
