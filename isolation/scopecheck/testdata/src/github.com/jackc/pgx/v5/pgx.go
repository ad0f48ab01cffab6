package pgx

import "context"

type Rows interface{ Close() }

type Tx interface {
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
}

type Conn struct{}

func (*Conn) Query(ctx context.Context, sql string, args ...any) (Rows, error) { return nil, nil }
func (*Conn) Exec(ctx context.Context, sql string, args ...any) error          { return nil }
func (*Conn) Ping(ctx context.Context) error                                   { return nil }

type Batch struct{}

func (*Batch) Queue(query string, args ...any) {}

type Identifier []string

func (Identifier) Sanitize() string { return "" }

type QueryExecMode int

const (
	QueryExecModeExec QueryExecMode = iota
	QueryExecModeSimpleProtocol
)
