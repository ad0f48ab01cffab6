package isolation

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// stmt is a statement as one connection knows it.
type stmt struct {
	space   int64                        // whose schema it was prepared in; see gate
	sd      *pgconn.StatementDescription // nil in the exec mode, which asks for none
	formats []int16                      // of the results, as pgx chooses them
	texts   []int16                      // of the results, as database/sql wants them
}

// text is what a statement says, and in whose schema.
type text struct {
	space int64
	sql   string
}

// statements are the statements that a connection has prepared or described,
// the least recently used of which makes room for the next.
//
// Each schema of a tenant's own has its own: PostgreSQL analyses and plans a
// statement again whenever it finds another search_path than the last time.
type statements struct {
	capacity int
	byText   map[text]*list.Element // of *stmt
	latest   map[string]*stmt       // by SQL, wherever it was prepared
	order    *list.List             // most recently used first
	prefix   string                 // of the names; no other connection's are the same
	serial   int
	stale    []string // names to deallocate with the next preparation
}

func newStatements(capacity int) *statements {
	return &statements{
		capacity: capacity, byText: map[text]*list.Element{}, latest: map[string]*stmt{}, order: list.New(),
		prefix: "partywall_" + strconv.FormatUint(uint64(randomInt64()), 36) + "_", //nolint:gosec // G115: the bits, not the value
	}
}

// get returns the statement of the space, or else what is known of the same one
// in another: it means the same there unless the tables differ, which the server
// looks for.
func (s *statements) get(space int64, sql string) *stmt {
	e, ok := s.byText[text{space, sql}]
	if !ok {
		return s.latest[sql]
	}
	s.order.MoveToFront(e)
	return e.Value.(*stmt) //nolint:forcetypeassert,errcheck // the list holds nothing else
}

func (s *statements) put(st *stmt) {
	s.byText[st.text()] = s.order.PushFront(st)
	s.latest[st.sd.SQL] = st
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
	e, ok := s.byText[st.text()]
	if !ok || e.Value != st {
		return
	}
	s.order.Remove(e)
	delete(s.byText, st.text())
	if s.latest[st.sd.SQL] == st {
		delete(s.latest, st.sd.SQL)
	}
	if st.sd.Name != "" {
		s.stale = append(s.stale, st.sd.Name)
	}
}

// name returns a name for the next statement to be prepared.
func (s *statements) name() string {
	s.serial++
	return s.prefix + strconv.Itoa(s.serial)
}

// space is whose schema statements are kept for: nobody's where they are not
// prepared.
func (c *conn) space(g gate) int64 {
	if c.mode == pgx.QueryExecModeCacheStatement {
		return g.space
	}
	return 0
}

// known returns what the connection knows of sql, nil if nothing. The exec mode
// has nothing to know.
func (c *conn) known(g gate, sql string) *stmt {
	if c.mode == pgx.QueryExecModeExec {
		return &stmt{}
	}
	return c.stmts.get(c.space(g), sql)
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
		if found[i] = c.known(g, sql); found[i] == nil && !asked[sql] {
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
	c.sendStale(p)
	names := make([]string, len(missing))
	for i, sql := range missing {
		if c.mode == pgx.QueryExecModeCacheStatement {
			names[i] = c.stmts.name()
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
	if err := c.readStale(p); err != nil {
		return nil, err
	}
	learnt = make(map[string]*stmt, len(sqls))
	for i, sql := range sqls {
		results, err := p.GetResults()
		if err != nil {
			return learnt, err
		}
		if learnt[sql], err = c.newStmt(results, g, names[i], sql); err != nil {
			return learnt, err
		}
	}
	return learnt, nil
}

// sendStale queues the end of the statements that nobody needs any more.
func (c *conn) sendStale(p *pgconn.Pipeline) {
	for _, name := range c.stmts.stale {
		p.SendDeallocate(name)
	}
}

func (c *conn) readStale(p *pgconn.Pipeline) error {
	for range c.stmts.stale {
		if _, err := p.GetResults(); err != nil {
			return err
		}
	}
	c.stmts.stale = c.stmts.stale[:0]
	return nil
}

// newStmt is what the server has said of a statement, as results of a pipeline.
func (c *conn) newStmt(results any, g gate, name, sql string) (*stmt, error) {
	sd, ok := results.(*pgconn.StatementDescription)
	if !ok {
		return nil, fmt.Errorf("isolation: unexpected %T", results)
	}
	sd.Name, sd.SQL = name, sql
	st := &stmt{space: c.space(g), sd: sd, formats: make([]int16, len(sd.Fields)), texts: make([]int16, len(sd.Fields))}
	for i, f := range sd.Fields {
		st.formats[i] = c.types.FormatCodeForOID(f.DataTypeOID)
		st.texts[i] = textFormat(f.DataTypeOID)
	}
	return st, nil
}

func (st *stmt) text() text { return text{st.space, st.sd.SQL} }

// formatsFor are those of the results: as pgx wants them, or database/sql.
func (st *stmt) formatsFor(text bool) []int16 {
	if text {
		return st.texts
	}
	return st.formats
}

// differs reports whether the statement takes or yields something else than
// another one.
func (st *stmt) differs(other *stmt) bool {
	if st.sd == nil || other.sd == nil {
		return false
	}
	return !slices.Equal(st.sd.ParamOIDs, other.sd.ParamOIDs) || !slices.Equal(st.formats, other.formats)
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
