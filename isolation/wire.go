package isolation

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// exchange is one statement on its way: its results, and what there is to read
// on the wire after them.
type exchange struct {
	conn     *conn
	gate     gate
	stmt     *stmt
	pipeline *pgconn.Pipeline // nil when the statement went alone, or behind the gate's row
	results  *pgconn.ResultReader
	gated    bool
}

// start sends one statement, behind the gate g if the connection needs it, in
// one flush. The gate has been passed when start returns without an error; the
// statement's own errors are in its results.
func (c *conn) start(ctx context.Context, g gate, sql string, args []any, text bool) (exchange, error) {
	st := c.known(g, sql)
	if st == nil {
		learnt, err := c.learn(ctx, g, []string{sql})
		if err != nil {
			return exchange{}, err
		}
		st = learnt[sql]
	}
	if err := c.build(st, args); err != nil {
		return exchange{}, err
	}
	x := exchange{conn: c, gate: g, stmt: st, gated: c.needs(g)}
	formats := st.formatsFor(text)
	switch {
	case st.space != c.space(g):
		err := x.adopt(ctx, sql, formats)
		if err != nil && x.stmt.differs(st) && !g.passed {
			return c.start(ctx, g, sql, args, text) // nothing has happened, and now it is known
		}
		return x, err
	case !x.gated:
		x.results = c.send(ctx, st, sql, formats)
		return x, nil
	case c.canLead(g):
		if err := ctx.Err(); err != nil {
			return exchange{}, err
		}
		c.sendLead(g)
		x.results = c.send(ctx, st, sql, formats)
		return x, c.readLead(x.results, g)
	}
	p := c.pg.StartPipeline(ctx)
	c.sendGate(p, g)
	c.queue(p, st, sql, formats)
	if err := p.Sync(); err != nil {
		return exchange{}, err
	}
	return x, x.open(p)
}

// adopt sends a statement that is known from another schema and prepares it for
// this one, in the same flush. What it looks like here the server says on the
// way; the arguments and the formats are chosen by what is known.
func (x *exchange) adopt(ctx context.Context, sql string, formats []int16) error {
	c := x.conn
	name := c.stmts.name()
	p := c.pg.StartPipeline(ctx)
	if x.gated {
		c.sendGate(p, x.gate)
	}
	c.sendStale(p)
	p.SendPrepare(name, sql, nil)
	p.SendQueryPrepared(name, c.args.ParamValues, c.args.ParamFormats, formats)
	if err := p.Sync(); err != nil {
		return err
	}
	known := x.stmt
	err := x.open(p, func() error {
		if err := c.readStale(p); err != nil {
			return err
		}
		results, err := p.GetResults()
		if err != nil {
			return err
		}
		x.stmt, err = c.newStmt(results, x.gate, name, sql)
		return err
	})
	if x.stmt != known {
		c.stmts.put(x.stmt)
	}
	return err
}

// open reads what comes before the results of the last statement in p.
func (x *exchange) open(p *pgconn.Pipeline, before ...func() error) (err error) {
	defer func() {
		if err != nil {
			_ = p.Close() // the first error is the one that matters
		}
	}()
	if x.gated {
		if err := x.conn.readGate(p, x.gate); err != nil {
			return err
		}
	}
	for _, read := range before {
		if err := read(); err != nil {
			return err
		}
	}
	results, err := p.GetResults()
	if err != nil {
		x.conn.failed(x.stmt, err)
		return err
	}
	var ok bool
	if x.results, ok = results.(*pgconn.ResultReader); !ok {
		return fmt.Errorf("isolation: unexpected %T", results)
	}
	x.pipeline = p
	return nil
}

// send sends a statement alone, with the arguments built last.
func (c *conn) send(ctx context.Context, st *stmt, sql string, formats []int16) *pgconn.ResultReader {
	switch c.mode {
	case pgx.QueryExecModeCacheStatement:
		return c.pg.ExecStatement(ctx, st.sd, c.args.ParamValues, c.args.ParamFormats, formats)
	case pgx.QueryExecModeCacheDescribe:
		return c.pg.ExecParams(ctx, sql, c.args.ParamValues, st.sd.ParamOIDs, c.args.ParamFormats, formats)
	}
	return c.pg.ExecParams(ctx, sql, c.args.ParamValues, nil, c.args.ParamFormats, formats)
}

// queue is send within a pipeline.
func (c *conn) queue(p *pgconn.Pipeline, st *stmt, sql string, formats []int16) {
	switch c.mode {
	case pgx.QueryExecModeCacheStatement:
		p.SendQueryStatement(st.sd, c.args.ParamValues, c.args.ParamFormats, formats)
	case pgx.QueryExecModeCacheDescribe:
		p.SendQueryParams(sql, c.args.ParamValues, st.sd.ParamOIDs, c.args.ParamFormats, formats)
	default:
		p.SendQueryParams(sql, c.args.ParamValues, nil, c.args.ParamFormats, formats)
	}
}

// fields describes the results in memory that is not the connection's, for
// whoever asks after it has been given back.
func (x *exchange) fields() []pgconn.FieldDescription {
	if x.stmt.sd != nil {
		return x.stmt.sd.Fields
	}
	return slices.Clone(x.results.FieldDescriptions())
}

// end reads what is left on the wire and returns err, the error of the
// statement's results, or whatever else went wrong.
func (x *exchange) end(err error) error {
	if x.pipeline != nil {
		if closeErr := x.pipeline.Close(); err == nil {
			err = closeErr
		}
		x.pipeline = nil
	}
	switch {
	case err != nil:
		x.conn.failed(x.stmt, err)
	case x.gated:
		x.conn.passed(x.gate)
	}
	return err
}

// control sends one of the library's own statements, such as COMMIT, alone.
func (c *conn) control(ctx context.Context, sql string) (pgconn.CommandTag, error) {
	return c.pg.ExecParams(ctx, sql, nil, nil, nil, nil).Close()
}

// begin starts a transaction, and passes the gate first or, behind a pooler,
// in it. All goes in one flush.
//
// A gate that is read only takes a snapshot at once: from then on PostgreSQL
// does not let the transaction become one that writes. (Behind a pooler the
// gate itself has taken it.)
func (c *conn) begin(ctx context.Context, g gate, opts pgx.TxOptions) error {
	if !c.needs(g) {
		_, err := c.control(ctx, beginSQL(opts))
		return err
	}
	readonly := opts.AccessMode == pgx.ReadOnly
	p := c.pg.StartPipeline(ctx)
	inside := c.enter.pooled
	if !inside {
		// In a transaction of its own: at a higher isolation level the snapshot
		// must not be older than the lease.
		c.sendGate(p, g)
		p.SendPipelineSync()
	}
	if inside && readonly {
		opts.AccessMode = "" // not yet: the gate writes its mark
	}
	p.SendQueryParams(beginSQL(opts), nil, nil, nil, nil)
	if inside {
		c.sendGate(p, g)
		if readonly {
			p.SendQueryParams("SET TRANSACTION READ ONLY", nil, nil, nil, nil)
		}
	} else if g.readonly {
		p.SendQueryParams("SELECT", nil, nil, nil, nil)
	}
	if err := p.Sync(); err != nil {
		return err
	}
	err := c.readBegin(p, g, inside, readonly)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err == nil && !inside {
		c.passed(g)
	}
	return err
}

func (c *conn) readBegin(p *pgconn.Pipeline, g gate, inside, readonly bool) error {
	if !inside {
		if err := c.readGate(p, g); err != nil {
			return err
		}
		if _, err := p.GetResults(); err != nil { // the first transaction's end
			return err
		}
	}
	if err := readCommand(p); err != nil {
		return err
	}
	if !inside && g.readonly {
		return readCommand(p)
	}
	if !inside {
		return nil
	}
	if err := c.readGate(p, g); err != nil {
		return err
	}
	if readonly {
		return readCommand(p)
	}
	return nil
}

func readCommand(p *pgconn.Pipeline) error {
	results, err := p.GetResults()
	if err != nil {
		return err
	}
	if rr, ok := results.(*pgconn.ResultReader); ok {
		_, err = rr.Close()
	}
	return err
}
