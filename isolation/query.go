package isolation

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Query runs one statement for the tenant of ctx and returns its rows, which
// hold a connection until they are read to the end or closed. It takes what
// [pgx.Conn.Query] takes, except for the simple protocol and result formats.
//
// Without a tenant in ctx it fails with [tenant.ErrNoTenant], and nothing is
// sent. A tenant that is not active may only read, and only in a context of
// [tenant.Admit].
func (db *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	q, err := parse(ctx, sql, args)
	if err != nil {
		return failedRows{err}, err
	}
	if use, ok := systemUse(ctx); ok {
		return db.querySystem(ctx, use, q)
	}
	var out pgx.Rows
	err = db.run(ctx, func(ctx context.Context, l *lease) error {
		if l.gate.readonly {
			out, err = db.queryReadOnly(ctx, l, q)
			return err
		}
		if err := l.conn.suspect(l.gate, q, false); err != nil {
			return err
		}
		x, err := l.conn.start(ctx, l.gate, q.sql, q.args, q.text)
		if err != nil {
			return err
		}
		out = newRows(x, l)
		return nil
	})
	if err != nil {
		return failedRows{err}, err
	}
	return out, nil
}

// queryReadOnly runs a statement for a tenant that is not active, in a
// transaction that cannot write.
func (db *DB) queryReadOnly(ctx context.Context, l *lease, q query) (pgx.Rows, error) {
	if err := l.conn.suspect(l.gate, q, false); err != nil {
		return nil, err
	}
	if err := l.conn.begin(ctx, l.gate, pgx.TxOptions{AccessMode: pgx.ReadOnly}); err != nil {
		return nil, err
	}
	x, err := l.conn.start(ctx, l.inside(), q.sql, q.args, q.text)
	if err != nil {
		_, _ = l.conn.control(ctx, "ROLLBACK") // a connection that fails here is not given back
		return nil, err
	}
	return newRows(x, finishFunc(func(err error) error {
		if _, endErr := l.conn.control(ctx, "COMMIT"); err == nil {
			err = endErr
		}
		return l.finish(err)
	})), nil
}

// QueryRow is [DB.Query] for at most one row; its errors come out of Scan.
func (db *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, _ := db.Query(ctx, sql, args...) // the rows carry the error
	return rowOf(rows)
}

// Exec is [DB.Query] for a statement whose rows nobody wants. Unlike pgx's it
// never uses the simple protocol, so that two statements in one text fail.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return exec(db.Query(ctx, sql, args...))
}
