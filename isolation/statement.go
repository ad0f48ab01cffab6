package isolation

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// stmt is a statement as one connection knows it.
type stmt struct {
	sd      *pgconn.StatementDescription // nil in the exec mode, which asks for none
	formats []int16                      // of the results, as pgx chooses them
	texts   []int16                      // of the results, as database/sql wants them
}

// statements are the statements that a connection has prepared or described,
// the least recently used of which makes room for the next.
type statements struct {
	capacity int
	bySQL    map[string]*list.Element // of *stmt
	order    *list.List               // most recently used first
	prefix   string                   // of the names; no other connection's are the same
	serial   int
	stale    []string // names to deallocate with the next preparation
}

func newStatements(capacity int) *statements {
	return &statements{
		capacity: capacity, bySQL: map[string]*list.Element{}, order: list.New(),
		prefix: "partywall_" + strconv.FormatUint(uint64(randomInt64()), 36) + "_", //nolint:gosec // G115: the bits, not the value
	}
}

func (s *statements) get(sql string) *stmt {
	e, ok := s.bySQL[sql]
	if !ok {
		return nil
	}
	s.order.MoveToFront(e)
	return e.Value.(*stmt) //nolint:forcetypeassert,errcheck // the list holds nothing else
}

func (s *statements) put(st *stmt) {
	s.bySQL[st.sd.SQL] = s.order.PushFront(st)
	if s.order.Len() > s.capacity {
		s.drop(s.order.Back().Value.(*stmt)) //nolint:forcetypeassert,errcheck // as above
	}
}

// drop forgets a statement, so that it is described afresh: its table has
// changed under it, or it is the oldest.
func (s *statements) drop(st *stmt) {
	if st.sd == nil {
		return
	}
	e, ok := s.bySQL[st.sd.SQL]
	if !ok || e.Value != st {
		return
	}
	s.order.Remove(e)
	delete(s.bySQL, st.sd.SQL)
	if st.sd.Name != "" {
		s.stale = append(s.stale, st.sd.Name)
	}
}

// known returns what the connection knows of sql, nil if nothing. The exec mode
// has nothing to know.
func (c *conn) known(sql string) *stmt {
	if c.mode == pgx.QueryExecModeExec {
		return &stmt{}
	}
	return c.stmts.get(sql)
}

// describe returns what the results of the statements look like, asking the
// server for those that the connection does not know yet. It goes behind the
// gate g if the connection needs it, in the same flush: under a search_path of
// the tenant's own the description depends on who asks.
func (c *conn) describe(ctx context.Context, g gate, sqls ...string) ([]*stmt, error) {
	found := make([]*stmt, len(sqls))
	var missing []string
	asked := map[string]bool{}
	for i, sql := range sqls {
		if found[i] = c.known(sql); found[i] == nil && !asked[sql] {
			missing = append(missing, sql)
			asked[sql] = true
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	learnt, err := c.learn(ctx, g, missing)
	if err != nil {
		return nil, err
	}
	for i, sql := range sqls {
		if found[i] == nil {
			found[i] = learnt[sql]
		}
	}
	return found, nil
}

// learn asks the server for statements that the connection does not know. Those
// that have to make room are good until the next time.
func (c *conn) learn(ctx context.Context, g gate, missing []string) (map[string]*stmt, error) {
	p := c.pg.StartPipeline(ctx)
	gated := c.needs(g)
	if gated {
		c.sendGate(p, g)
	}
	for _, name := range c.stmts.stale {
		p.SendDeallocate(name)
	}
	names := make([]string, len(missing))
	for i, sql := range missing {
		if c.mode == pgx.QueryExecModeCacheStatement {
			c.stmts.serial++
			names[i] = c.stmts.prefix + strconv.Itoa(c.stmts.serial)
		}
		p.SendPrepare(names[i], sql, nil)
	}
	if err := p.Sync(); err != nil {
		return nil, err
	}
	learnt, err := c.readDescriptions(p, g, gated, missing, names)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		// The server keeps what it prepared before the error, and nothing behind
		// it: who is refused at the gate again and again leaves nothing.
		if names[0] != "" {
			c.stmts.stale = append(c.stmts.stale, names[:len(learnt)]...)
		}
		return nil, err
	}
	if gated {
		c.passed(g)
	}
	for _, sql := range missing {
		c.stmts.put(learnt[sql])
	}
	return learnt, nil
}

// readDescriptions reads what learn has asked for. After an error it returns
// the statements that had been prepared by then.
func (c *conn) readDescriptions(p *pgconn.Pipeline, g gate, gated bool, sqls, names []string) (learnt map[string]*stmt, err error) {
	if gated {
		if err := c.readGate(p, g); err != nil {
			return nil, err
		}
	}
	for range c.stmts.stale {
		if _, err := p.GetResults(); err != nil {
			return nil, err
		}
	}
	c.stmts.stale = c.stmts.stale[:0]
	learnt = make(map[string]*stmt, len(sqls))
	for i, sql := range sqls {
		results, err := p.GetResults()
		if err != nil {
			return learnt, err
		}
		sd, ok := results.(*pgconn.StatementDescription)
		if !ok {
			return learnt, fmt.Errorf("isolation: unexpected %T", results)
		}
		sd.Name, sd.SQL = names[i], sql
		learnt[sql] = c.newStmt(sd)
	}
	return learnt, nil
}

func (c *conn) newStmt(sd *pgconn.StatementDescription) *stmt {
	st := &stmt{sd: sd, formats: make([]int16, len(sd.Fields)), texts: make([]int16, len(sd.Fields))}
	for i, f := range sd.Fields {
		st.formats[i] = c.types.FormatCodeForOID(f.DataTypeOID)
		st.texts[i] = textFormat(f.DataTypeOID)
	}
	return st
}

// textFormat chooses binary for the types that database/sql has a word for and
// text for all others, so that they arrive as people write them.
func textFormat(oid uint32) int16 {
	switch oid {
	case pgtype.BoolOID, pgtype.ByteaOID, pgtype.DateOID, pgtype.Float4OID, pgtype.Float8OID,
		pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return pgx.BinaryFormatCode
	}
	return pgx.TextFormatCode
}

// build encodes args for st.
func (c *conn) build(st *stmt, args []any) error {
	if st.sd != nil && len(st.sd.ParamOIDs) != len(args) {
		return fmt.Errorf("isolation: expected %d arguments, got %d", len(st.sd.ParamOIDs), len(args))
	}
	if err := c.args.Build(c.types, st.sd, args); err != nil {
		return fmt.Errorf("isolation: %w", err)
	}
	return nil
}

// failed drops a statement whose failure may mean that it is not what it was
// when it was described.
func (c *conn) failed(st *stmt, err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 && (pg.Code[:2] == "0A" || pg.Code[:2] == "26" || pg.Code[:2] == "42") {
		c.stmts.drop(st)
	}
}
