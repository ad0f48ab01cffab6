package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// admins are a superuser's connections, one to each database, kept for the next
// look. They belong to one goroutine.
type admins struct {
	site

	conns map[string]*pgx.Conn
}

// to returns the connection to a database.
func (a *admins) to(ctx context.Context, database string) (*pgx.Conn, error) {
	if conn := a.conns[database]; conn != nil && !conn.IsClosed() {
		return conn, nil
	}
	config, err := pgx.ParseConfig(a.url("", database))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // tables come and go under prepared statements
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting as superuser: %w", err)
	}
	a.conns[database] = conn
	return conn, nil
}

// run runs SQL in a database, one transaction each.
func (a *admins) run(ctx context.Context, database string, sql ...string) error {
	conn, err := a.to(ctx, database)
	if err != nil {
		return err
	}
	for _, one := range sql {
		if err := conn.PgConn().Exec(ctx, one).Close(); err != nil {
			return fmt.Errorf("%.60q: %w", one, err)
		}
	}
	return nil
}

func (a *admins) close(ctx context.Context) error {
	var errs []error
	for _, conn := range a.conns {
		errs = append(errs, conn.Close(ctx))
	}
	return errors.Join(errs...)
}
