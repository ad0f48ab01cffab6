package isolation

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A switch of tenant costs what the gate costs and nothing else when the gate
// leads: its answer is the first row of the statement's own results.

// canLead reports whether the gate can. The statement's columns have to be
// known, and the statement timeout has to stay what it was when the server
// began with the flush.
func (c *conn) canLead(g gate) bool {
	return !c.enter.pooled && !g.readonly && c.mode == pgx.QueryExecModeCacheStatement && c.timeout == g.timeout
}

// sendLead puts the gate into the buffer that the next statement is sent from.
// It asks for one row and no more, so that the server suspends it and does not
// say that it is complete: to pgconn what follows is the same result.
func (c *conn) sendLead(g gate) {
	p := &c.enter.params
	p.reset()
	p.int8(c.enter.secret)
	p.int8(g.number)
	p.int8(g.epoch)
	p.int8(g.turn)
	p.text(g.path)
	wire := c.pg.Frontend()
	wire.SendBind(&pgproto3.Bind{
		PreparedStatement:    rebindName,
		ParameterFormatCodes: binaryFormats(), Parameters: p.values,
		ResultFormatCodes: binaryFormats(),
	})
	wire.SendExecute(&pgproto3.Execute{MaxRows: 1})
	c.shown = g.number
	c.forget() // until we have read that all went well
}

// readLead takes the gate's answer off the head of a statement's results.
func (c *conn) readLead(results *pgconn.ResultReader, g gate) error {
	if !results.NextRow() {
		_, err := results.Close()
		if _, ok := errors.AsType[*pgconn.PgError](err); !ok {
			c.tainted = true // the gate may not have been sent, and wait in the buffer
		}
		if err == nil {
			err = errNotLetIn
		}
		return gateError(err)
	}
	turn, ok := number(results.Values())
	if !ok {
		_, _ = results.Close() // it is not our function that has answered
		return errNotLetIn
	}
	c.remember(g, turn)
	return nil
}

// sight is a fence as a session has read it: of which epoch, with which
// search_path, and at which turn of all fences. While the turn is the same, so
// is the fence, and rebind does not read it again. Each session has its own
// memory, because the server's turns are those of the server: one that was
// restored from a backup may come to the same turn by another way.
type sight struct {
	epoch, turn int64
	path        string
}

// sights is how many fences a session remembers: some hundred kilobytes.
const sights = 2048

// recall fills in what the session remembers of the fence of g.
func (c *conn) recall(g *gate) bool {
	s, ok := c.seen[g.number]
	if ok && s.epoch == g.epoch {
		g.turn, g.path = s.turn, s.path
		return true
	}
	return false
}

func (c *conn) remember(g gate, turn int64) {
	switch {
	case turn == g.turn:
	case turn <= 0:
		delete(c.seen, g.number) // to be read each time
	case c.seen == nil:
		c.seen = map[int64]sight{g.number: {g.epoch, turn, g.path}}
	default:
		if len(c.seen) >= sights {
			clear(c.seen)
		}
		c.seen[g.number] = sight{g.epoch, turn, g.path}
	}
}
