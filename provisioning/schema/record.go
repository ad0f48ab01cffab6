package schema

import (
	"context"
	"database/sql/driver"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// recorder is a session that runs nothing. Goose's parser is its own affair and
// cannot be called; so that nobody reads its files in another way than goose
// does, goose itself runs them, and its statements end here.
type recorder struct {
	statements    []string
	transactional bool
}

func (r *recorder) exec(_ context.Context, query string, _ []any) (int64, error) {
	r.statements = append(r.statements, query)
	return 0, nil
}

func (*recorder) query(context.Context, string, []any) (driver.Rows, error) {
	return nil, errors.New("schema: nothing to ask")
}

func (r *recorder) begin(context.Context, pgx.TxOptions) (driver.Tx, error) {
	r.transactional = true
	return noTransaction{}, nil
}

// noTransaction implements [driver.Tx].
type noTransaction struct{}

func (noTransaction) Commit() error { return nil }

func (noTransaction) Rollback() error { return nil }

// record returns the statements that goose would run for one SQL file, and
// whether in a transaction.
func record(files fs.FS, version int64) (*recorder, error) {
	r := &recorder{}
	db := handle(r)
	defer func() { _ = db.Close() }() // there is nothing to close
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithDisableVersioning(true), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, err
	}
	_, err = provider.ApplyVersion(context.Background(), version, true)
	return r, err
}
