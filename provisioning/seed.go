package provisioning

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// Once runs a transaction of the context's tenant at most once, also when its
// process is killed before it can say so: an *isolation.DB.
type Once interface {
	Once(ctx context.Context, name string, fn func(pgx.Tx) error) (ran bool, err error)
}

// Seeder writes rows of a new tenant, which is the context's, into a
// transaction. progress may be told how much of it is done, from 0 to 1.
type Seeder func(ctx context.Context, tx pgx.Tx, progress func(done float64, message string)) error

// SeedError says where a seed file is broken. The operation that gets it is
// undone, unless the error is one that goes away by itself.
type SeedError struct {
	// File names the file, or the pattern that none matches.
	File string
	// Line counts from 1; 0 is none in particular.
	Line int
	Err  error
}

// Error implements error.
func (e *SeedError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("provisioning: seeding from %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("provisioning: seeding from %s, line %d: %v", e.File, e.Line, e.Err)
}

// Unwrap returns what is wrong.
func (e *SeedError) Unwrap() error { return e.Err }

// seedName is what [Once] knows the seeding of a tenant by.
const seedName = "provisioning: seed"

// Seed is a [Lifecycle.Seed]: it has seeders write one after the other in one
// transaction, so that a tenant has all of its first rows or none, and has them
// once.
func Seed(db Once, seeders ...Seeder) func(context.Context, tenant.Tenant, func(float64, string)) error {
	return func(ctx context.Context, _ tenant.Tenant, progress func(float64, string)) error {
		_, err := db.Once(ctx, seedName, func(tx pgx.Tx) error {
			for i, seed := range seeders {
				share := func(done float64, message string) {
					progress((float64(i)+min(max(done, 0), 1))/float64(len(seeders)), message)
				}
				if err := seed(ctx, tx, share); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	}
}

// maxSeed bounds one seed file, which is read whole. What is longer than 64 MiB
// is no seed, and better written by a function.
const maxSeed = 64 << 20

// seedFile is a seed file as it is read.
type seedFile struct {
	name, text string
	report     func(offset int, message string) // how far reading is
}

// at is an error in one line of the file.
func (f *seedFile) at(line int, err error) *SeedError {
	return &SeedError{File: f.name, Line: line, Err: err}
}

// failed says what an error that writing a line has met means. One that did not
// come from a server, while the transaction still answers, is the file's.
func (f *seedFile) failed(ctx context.Context, tx pgx.Tx, line int, err error) error {
	told := f.at(line, err)
	var pg *pgconn.PgError
	if classify(err) == Permanent {
		return Fail(told)
	}
	if errors.As(err, &pg) || ctx.Err() != nil {
		return told
	}
	if _, gone := tx.Exec(ctx, `SELECT`); gone == nil {
		return Fail(told)
	}
	return told
}

// eachSeed calls fn with the files that match, pattern by pattern and then by
// name.
func eachSeed(fsys fs.FS, patterns []string, progress func(float64, string), fn func(*seedFile) error) error {
	names, total, err := findSeeds(fsys, patterns)
	if err != nil {
		return err
	}
	var before int64
	for _, name := range names {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return Fail(&SeedError{File: name, Err: err})
		}
		f := &seedFile{name: name}
		if f.text, err = f.decode(raw); err != nil {
			return Fail(err)
		}
		f.report = func(offset int, message string) {
			progress(float64(before+int64(offset))/float64(max(total, 1)), name+": "+message)
		}
		if err := fn(f); err != nil {
			return err
		}
		before += int64(len(raw))
	}
	return nil
}

// findSeeds returns the files that match, and how many bytes they have.
func findSeeds(fsys fs.FS, patterns []string) (names []string, total int64, err error) {
	seen := map[string]bool{}
	for _, pattern := range patterns {
		found, err := fs.Glob(fsys, pattern)
		if err == nil && len(found) == 0 {
			err = errors.New("no file matches")
		}
		if err != nil {
			return nil, 0, Fail(&SeedError{File: pattern, Err: err})
		}
		for _, name := range found {
			if seen[name] {
				continue
			}
			seen[name] = true
			info, err := fs.Stat(fsys, name)
			if err == nil && info.Size() > maxSeed {
				err = fmt.Errorf("has %d bytes, %d are allowed", info.Size(), maxSeed)
			}
			if err != nil {
				return nil, 0, Fail(&SeedError{File: name, Err: err})
			}
			names = append(names, name)
			total += info.Size()
		}
	}
	return names, total, nil
}

// decode returns the text of a file without its byte order mark.
func (f *seedFile) decode(raw []byte) (string, error) {
	text := string(bytes.TrimPrefix(raw, []byte("\uFEFF")))
	if at := strings.IndexByte(text, 0); at >= 0 && utf8.ValidString(text[:at]) {
		return "", f.at(lineOf(text, at), errors.New("has a NUL byte"))
	}
	if !utf8.ValidString(text) {
		return "", f.at(lineOf(text, invalidAt(text)), errors.New("is not UTF-8"))
	}
	return text, nil
}

// invalidAt is where text stops being UTF-8.
func invalidAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return i
		}
	}
	return len(text)
}

// lineOf is the number of the line that an offset is in.
func lineOf(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }
