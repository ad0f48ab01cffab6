package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
)

// Options are what [Load] may be told. The zero value is a good start.
type Options struct {
	// Go are the migrations that are Go functions, made by
	// goose.NewGoMigration. What is registered globally with goose is not
	// used. Defaults to none.
	Go []*goose.Migration
	// OutOfOrder lets migrations run that came late, with a version below one
	// that has run. Defaults to refusing them with an [*OrderError].
	OutOfOrder bool
	// LockTimeout is how long a statement of a migration waits for a lock;
	// others wait behind it. Files in which everything is CONCURRENTLY wait for
	// as long as it takes: nobody waits behind those. Defaults to 2 seconds.
	LockTimeout time.Duration
	// Table is goose's table in each place. Defaults to goose's own default.
	Table string
	// TenantColumn is what [Migrations.Lint] looks for in tables. Defaults to
	// "tenant_id".
	TenantColumn string
}

// withDefaults returns a copy of o with the defaults filled in.
func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.LockTimeout = cmp.Or(filled.LockTimeout, 2*time.Second)
	filled.Table = cmp.Or(filled.Table, goose.DefaultTablename)
	filled.TenantColumn = cmp.Or(filled.TenantColumn, "tenant_id")
	return filled
}

// Migration is one step of a [Migrations].
type Migration struct {
	Version int64
	// File is the SQL file, empty for a Go function.
	File string
	// Transaction says whether it runs in one.
	Transaction bool

	text       string      // of the file
	expanded   bool        // from the environment: its statements are not for people
	statements []statement // as goose runs them
	digest     string
}

// Migrations are the host's, read and checked. They are safe for concurrent
// use.
type Migrations struct {
	opts    Options
	list    []Migration // by version
	files   folder
	release string
}

// Load reads the migrations at the root of files, such as an embed.FS, and
// those of options, which may be nil. Files that do not end in ".sql" or ".go"
// are passed over, and so are folders; files in Go are there for people, and
// their functions are in [Options.Go].
//
// It fails with [ErrInvalid], and tells all mistakes at once: names without a
// version, versions that are there twice, files without a function, files that
// goose cannot read, that are no text or longer than a megabyte.
func Load(files fs.FS, options *Options) (*Migrations, error) {
	m := &Migrations{opts: options.withDefaults(), files: folder{}}
	var errs []error
	if m.opts.LockTimeout < time.Millisecond {
		errs = append(errs, fmt.Errorf("%w: Options.LockTimeout is below a millisecond", ErrInvalid))
	}
	if !plainName(m.opts.Table) || !plainName(m.opts.TenantColumn) {
		errs = append(errs, fmt.Errorf("%w: Options.Table and TenantColumn: want 1 to 63 of a-z, 0-9 and _", ErrInvalid))
	}
	if files == nil {
		return nil, errors.Join(append(errs, fmt.Errorf("%w: no files", ErrInvalid))...)
	}
	errs = append(errs, m.read(files)...)
	errs = append(errs, m.check()...)
	if len(m.list) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%w: no migrations", ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m.release = releaseOf(m.list)
	return m, nil
}

// check finds versions that are there twice, and sorts.
func (m *Migrations) check() (errs []error) {
	slices.SortStableFunc(m.list, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	for i := 1; i < len(m.list); i++ {
		if a, b := m.list[i-1], m.list[i]; a.Version == b.Version {
			errs = append(errs, fmt.Errorf("%w: version %d is there twice: %s and %s", ErrInvalid, a.Version, a.name(), b.name()))
		}
	}
	return errs
}

// List returns the migrations in the order of their versions.
func (m *Migrations) List() []Migration { return slices.Clone(m.list) }

// Latest is the highest version.
func (m *Migrations) Latest() int64 { return m.list[len(m.list)-1].Version }

// Release is a digest of all that the migrations say. Comments and blanks do
// not change it, nor what undoes a migration. A Go function is known by its
// version alone.
func (m *Migrations) Release() string { return m.release }

// pending returns what a place lacks in which the versions given have run. It
// fails with an [*OrderError].
func (m *Migrations) pending(done map[int64]bool) ([]Migration, error) {
	var newest int64
	for v := range done {
		newest = max(newest, v)
	}
	var lacks []Migration
	var late []int64
	for _, step := range m.list {
		if done[step.Version] {
			continue
		}
		if step.Version < newest {
			late = append(late, step.Version)
		}
		lacks = append(lacks, step)
	}
	if len(late) > 0 && !m.opts.OutOfOrder {
		return nil, &OrderError{Late: late, Newest: newest}
	}
	return lacks, nil
}

// provider returns goose over a handle. Files in Go are left out: what goose
// would find in them it writes into the migrations, which providers share.
func (m *Migrations) provider(s session, versions *versions) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectCustom, handle(s), m.files,
		goose.WithStore(versions), goose.WithGoMigrations(m.opts.Go...),
		goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true))
}

func (m Migration) name() string {
	if m.File == "" {
		return fmt.Sprintf("Go function %d", m.Version)
	}
	return m.File
}

// patient reports whether nobody waits behind the migration while it waits. What
// is done CONCURRENTLY waits for all transactions that are older.
func (m Migration) patient() bool {
	return !m.Transaction && len(m.statements) > 0 && !slices.ContainsFunc(m.statements, func(s statement) bool {
		return !has(tokens(s.sql), "concurrently")
	})
}
