package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pressly/goose/v3"
)

// maxFile bounds one migration: what is longer is data and has no place here.
const maxFile = 1 << 20

// read fills the list from files and options, and returns all mistakes.
func (m *Migrations) read(files fs.FS) (errs []error) {
	functions := map[int64]bool{}
	for _, f := range m.opts.Go {
		if f == nil {
			errs = append(errs, fmt.Errorf("%w: Options.Go: a migration is nil", ErrInvalid))
			continue
		}
		functions[f.Version] = true
		m.list = append(m.list, Migration{Version: f.Version, Transaction: f.UseTx, digest: "go"})
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return append(errs, fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	for _, e := range entries {
		name, kind := e.Name(), path.Ext(e.Name())
		if e.IsDir() || kind != ".sql" && kind != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		version, err := goose.NumericComponent(name)
		switch {
		case kind == ".go" && err != nil: // helpers, as goose has it
		case kind == ".go" && !functions[version]:
			errs = append(errs, &FileError{File: name, Err: errors.New("its function is not in Options.Go")})
		case kind == ".go":
		case err != nil:
			errs = append(errs, &FileError{File: name, Err: errors.New("goose would pass it over: want NUMBER_name.sql")})
		default:
			step, err := readFile(files, name, version)
			if err != nil {
				errs = append(errs, err)
			}
			m.list, m.files[name] = append(m.list, step), step.text
		}
	}
	return errs
}

// readFile reads one SQL file, the way goose does.
func readFile(files fs.FS, name string, version int64) (Migration, error) {
	step := Migration{Version: version, File: name}
	wrong := func(err error) (Migration, error) { return step, &FileError{File: name, Err: err} }
	info, err := fs.Stat(files, name)
	if err != nil {
		return wrong(err)
	}
	if info.Size() > maxFile {
		return wrong(fmt.Errorf("%d bytes; at most %d are a migration, and more is data", info.Size(), maxFile))
	}
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return wrong(err)
	}
	// A checkout with CRLF is the same migration.
	step.text = strings.ReplaceAll(string(raw), "\r\n", "\n")
	if !utf8.ValidString(step.text) || strings.ContainsRune(step.text, 0) {
		return wrong(errors.New("not UTF-8 text"))
	}
	recorded, err := record(folder{name: step.text}, version)
	if err != nil {
		return wrong(parseError(name, err))
	}
	if len(recorded.statements) == 0 {
		return wrong(errors.New("no statement between -- +goose Up and -- +goose Down"))
	}
	step.Transaction = recorded.transactional
	step.expanded = regexp.MustCompile(`(?im)^--\s*\+goose\s+ENVSUB\s+ON`).MatchString(step.text)
	step.statements = locate(step.text, recorded.statements)
	step.digest = digestOf(step.statements)
	return step, nil
}

// parseError is what goose's parser says, without what goose says around it.
func parseError(name string, err error) error {
	_, text, found := strings.Cut(err.Error(), "failed to parse "+name+": ")
	if !found {
		return err
	}
	return errors.New(strings.TrimPrefix(text, "failed to parse migration: "))
}

// statement is one of a migration's, as goose sends it.
type statement struct {
	sql  string
	line int // in the file, from 1; 0 when it is not there literally
}

// locate finds the statements in their file. They are in it as they are and in
// this order, each at the beginning of a line, unless the environment is in them.
func locate(text string, sent []string) []statement {
	list := make([]statement, len(sent))
	from := 0
	for i, sql := range sent {
		list[i].sql = sql
		if at := indexOfLine(text, sql, from); at >= 0 {
			list[i].line = 1 + strings.Count(text[:at], "\n")
			from = at + len(sql)
		}
	}
	return list
}

// indexOfLine finds what begins a line, after blanks; -1 if nothing does.
func indexOfLine(text, what string, from int) int {
	for {
		at := strings.Index(text[from:], what)
		if at < 0 {
			return -1
		}
		at += from
		if strings.TrimSpace(text[strings.LastIndexByte(text[:at], '\n')+1:at]) == "" {
			return at
		}
		from = at + 1
	}
}

// digestOf tells statements apart by their words.
func digestOf(list []statement) string {
	h := sha256.New()
	for _, s := range list {
		for _, t := range tokens(s.sql) {
			fmt.Fprintf(h, "%d %q ", t.kind, t.text)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// releaseOf tells lists of migrations apart.
func releaseOf(list []Migration) string {
	h := sha256.New()
	for _, m := range list {
		fmt.Fprintln(h, m.Version, m.digest)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func plainName(name string) bool {
	return regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`).MatchString(name)
}
