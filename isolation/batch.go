package isolation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SendBatch sends all of b's statements for the tenant of ctx in one flush, in
// one implicit transaction, as [pgx.Conn.SendBatch] does. The results hold a
// connection until they are closed.
func (db *DB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if use, ok := systemUse(ctx); ok {
		return db.batchSystem(ctx, use, b)
	}
	var out *batch
	err := db.run(ctx, func(ctx context.Context, l *lease) error {
		if l.gate.readonly {
			return fmt.Errorf("%w: batches of a tenant that is not active; use a transaction", ErrRefused)
		}
		var err error
		out, err = l.conn.sendBatch(ctx, l.gate, b, false, l.finish)
		return err
	})
	if err != nil {
		return &batch{err: err, closed: true}
	}
	return out
}

// batch is the results of several statements sent together.
type batch struct {
	conn     *conn
	gate     gate
	gated    bool // the gate is in the batch
	queued   []*pgx.QueuedQuery
	stmts    []*stmt
	next     int
	pipeline *pgconn.Pipeline
	open     *rows // being read
	done     func(error) error
	err      error
	closing  bool // in Close, which a queued function may call again
	closed   bool
}

// sendBatch sends b behind the gate g. After an error nothing is left on the
// wire, and done is not called.
func (c *conn) sendBatch(ctx context.Context, g gate, b *pgx.Batch, inTx bool, done func(error) error) (*batch, error) {
	queries := make([]query, len(b.QueuedQueries))
	sqls := make([]string, len(b.QueuedQueries))
	for i, queued := range b.QueuedQueries {
		q, err := parse(ctx, queued.SQL, queued.Arguments)
		if err != nil {
			return nil, err
		}
		if !inTx && (q.word == "savepoint" || q.word == "release" || q.word == "rollback") {
			return nil, fmt.Errorf("%w: %s in a batch; use a transaction", ErrRefused, q.word)
		}
		if err := c.suspect(g, q, inTx); err != nil {
			return nil, err
		}
		queries[i], sqls[i] = q, q.sql
	}
	stmts, err := c.describe(ctx, g, sqls...)
	if err != nil {
		return nil, err
	}
	gated := c.needs(g)
	out := &batch{conn: c, gate: g, gated: gated, queued: b.QueuedQueries, stmts: stmts, done: done}
	p := c.pg.StartPipeline(ctx)
	if gated {
		c.sendGate(p, g)
	}
	for i, q := range queries {
		if err := c.build(stmts[i], q.args); err != nil {
			c.tainted = true // half a batch is in the connection's buffer
			_ = p.Close()    // the mistake is what matters
			return nil, err
		}
		c.queue(p, stmts[i], q.sql, stmts[i].formats)
	}
	if err := p.Sync(); err != nil {
		return nil, err
	}
	if gated {
		if err := c.readGate(p, g); err != nil {
			_ = p.Close() // the gate's error is the one that matters
			return nil, err
		}
	}
	out.pipeline = p
	return out, nil
}

// Query implements [pgx.BatchResults].
func (b *batch) Query() (pgx.Rows, error) {
	b.finishOpen()
	if b.err == nil && b.closed {
		b.err = errors.New("isolation: batch is closed")
	}
	if b.err == nil && b.next >= len(b.stmts) {
		return failedRows{errNoResult}, errNoResult
	}
	if b.err != nil {
		return failedRows{b.err}, b.err
	}
	st := b.stmts[b.next]
	b.next++
	results, err := b.pipeline.GetResults()
	if err != nil {
		b.err = err
		b.conn.failed(st, err)
		return failedRows{err}, err
	}
	rr, ok := results.(*pgconn.ResultReader)
	if !ok {
		b.err = fmt.Errorf("isolation: unexpected %T", results)
		return failedRows{b.err}, b.err
	}
	b.open = newRows(exchange{conn: b.conn, stmt: st, results: rr}, finishFunc(func(err error) error {
		if err != nil && b.err == nil {
			b.err = err
		}
		return err
	}))
	return b.open, nil
}

var errNoResult = errors.New("isolation: no more results in the batch")

func (b *batch) finishOpen() {
	if b.open != nil {
		b.open.Close()
		b.open = nil
	}
}

// QueryRow implements [pgx.BatchResults].
func (b *batch) QueryRow() pgx.Row {
	rows, _ := b.Query() // the rows carry the error
	return rowOf(rows)
}

// Exec implements [pgx.BatchResults].
func (b *batch) Exec() (pgconn.CommandTag, error) { return exec(b.Query()) }

// Close implements [pgx.BatchResults]: it reads what is unread, calling the
// functions that were queued with it, and gives the connection back, also when
// one of them panics. From within such a function it does nothing.
func (b *batch) Close() error {
	if b.closed || b.closing {
		return b.err
	}
	b.closing = true
	defer b.end()
	b.finishOpen()
	for b.err == nil && b.next < len(b.stmts) {
		at := b.next
		if fn := b.queued[at].Fn; fn != nil {
			if err := fn(b); err != nil && b.err == nil {
				b.err = err
			}
		}
		if b.err == nil && b.next == at {
			_, _ = b.Exec() // the batch keeps the error
		}
	}
	b.end()
	return b.err
}

// end gives the connection back, once.
func (b *batch) end() {
	if b.closed {
		return
	}
	b.finishOpen()
	unread := b.err == nil && b.next < len(b.stmts)
	b.closed = true
	if err := b.pipeline.Close(); b.err == nil {
		b.err = err
	}
	if b.gated && b.err == nil {
		b.conn.passed(b.gate)
	}
	if unread && b.err == nil {
		b.err = errors.New("isolation: batch ended before it was read")
	}
	b.err = b.done(b.err)
}

func (b *batch) settle() {}

func (b *batch) sever(err error) {
	if b.closed {
		return
	}
	if b.open != nil {
		b.open.sever(err)
		b.open = nil
	}
	b.closed, b.err = true, err
}

// Tx implements [pgx.BatchResults]. It is nil: a batch begins no transaction.
func (b *batch) Tx() pgx.Tx { return nil }
