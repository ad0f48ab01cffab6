package isolation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// gate is what a statement shows to the data server before it runs: whose it
// is, by which epoch, and for how long it may run.
type gate struct {
	number   int64
	epoch    int64
	readonly bool
	timeout  int32 // ms, 0 for none
	passed   bool  // in the transaction that is open
	space    int64 // whose schema comes first on the search_path, 0 where all share one

	// What rebind is shown: the turn at which the session has read the fence,
	// 0 if it has not, and the search_path that it has then.
	turn int64
	path string
}

// The statements that open a session and pass the gate. They are sent with
// their parameters' types, so that they need no description first.
const (
	openSQL   = `SELECT partywall.open_session($1, $2, $3, $4)`
	bindSQL   = `SELECT partywall.bind($1, $2, $3, $4, $5)`
	rebindSQL = `SELECT partywall.rebind($1, $2, $3, $4, $5)`
	enterSQL  = `SELECT partywall.enter($1, $2, $3, $4, $5, $6, $7)`

	// What they are prepared as, when the session is ours alone.
	bindName   = "partywall_bind"
	rebindName = "partywall_rebind"
)

// binaryFormats asks for all parameters, or all results, in binary.
func binaryFormats() []int16 { return []int16{pgx.BinaryFormatCode} }

// tokenLife is how long a token for one transaction is good. It is shown in
// the moment it is made; the rest allows for clocks that drift apart.
const tokenLife = 60 * time.Second

// entry is how one connection passes the gate: by the secret of its session,
// or, behind a pooler, by a token for every transaction.
type entry struct {
	pooled bool
	key    Key
	secret int64
	skew   time.Duration
	clock  func() time.Time
	params params

	mac    hash.Hash // of key, to be used again; nil until it is needed
	signed []byte    // what it has signed last, and the signature behind it
}

// sendOpen queues the opening of a session with a fresh secret, and prepares
// what every switch of tenant sends.
func (e *entry) sendOpen(p *pgconn.Pipeline, pid uint32) {
	e.secret = randomInt64()
	// The clocks have not been compared yet: a day is generous, and the
	// signature is good for this one backend only.
	expires := e.clock().Add(24 * time.Hour).Unix()
	e.params.reset()
	e.params.int4(e.key.ID)
	e.params.int8(e.secret)
	e.params.int8(expires)
	e.params.bytea(e.key.signSession(e.secret, pid, expires))
	p.SendQueryParams(openSQL, e.params.values, openTypes(), binaryFormats(), binaryFormats())
	p.SendPrepare(bindName, bindSQL, bindTypes())
	p.SendPrepare(rebindName, rebindSQL, rebindTypes())
}

// send queues the gate in front of what follows in the pipeline.
func (e *entry) send(p *pgconn.Pipeline, g gate, timeout int32) {
	e.params.reset()
	if !e.pooled {
		e.params.int8(e.secret)
		e.params.int8(g.number)
		e.params.int8(g.epoch)
		e.params.bool(g.readonly)
		e.params.int4(timeout)
		p.SendQueryPrepared(bindName, e.params.values, binaryFormats(), binaryFormats())
		return
	}
	expires := e.clock().Add(e.skew + tokenLife).Unix()
	e.params.int4(e.key.ID)
	e.params.int8(g.number)
	e.params.int8(g.epoch)
	e.params.bool(g.readonly)
	e.params.int4(timeout)
	e.params.int8(expires)
	e.params.bytea(e.sign(g, expires))
	p.SendQueryParams(enterSQL, e.params.values, enterTypes(), binaryFormats(), binaryFormats())
}

// sign is Key.signToken with a hash that has read the key already.
func (e *entry) sign(g gate, expires int64) []byte {
	if e.mac == nil {
		e.mac = hmac.New(sha256.New, e.key.Secret)
	}
	e.signed = appendToken(e.signed[:0], g, expires)
	e.mac.Reset()
	e.mac.Write(e.signed)
	e.signed = e.mac.Sum(e.signed)
	return e.signed[tokenSize:]
}

// needs reports whether the connection has to pass the gate to work for g.
func (c *conn) needs(g gate) bool {
	return c.enter != nil && !g.passed &&
		(c.enter.pooled || c.bound != g.number || c.epoch != g.epoch || c.timeout != g.timeout || g.readonly)
}

// sendGate queues the gate.
func (c *conn) sendGate(p *pgconn.Pipeline, g gate) {
	timeout := g.timeout
	if !c.enter.pooled && c.timeout == timeout {
		timeout = -1 // it is set already
	}
	c.enter.send(p, g, timeout)
	c.shown = g.number
	c.forget() // until we have read that all went well
}

// show passes the gate with nothing behind it.
func (c *conn) show(ctx context.Context, g gate) error {
	p := c.pg.StartPipeline(ctx)
	c.sendGate(p, g)
	err := p.Sync()
	if err == nil {
		err = c.readGate(p, g)
	}
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	return err
}

// readGate reads the gate's answer. What follows it in the pipeline may still
// fail, and take back what the gate has set; see [conn.passed].
func (c *conn) readGate(p *pgconn.Pipeline, g gate) error {
	results, err := p.GetResults()
	if err != nil {
		return gateError(err)
	}
	rr, ok := results.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("isolation: the gate answered with %T", results)
	}
	var got int64
	for rr.NextRow() {
		got, _ = number(rr.Values())
	}
	if _, err := rr.Close(); err != nil {
		return gateError(err)
	}
	if got != g.number {
		return errNotLetIn // the function returns the mark it set; anything else is not our function
	}
	return nil
}

var errNotLetIn = errors.New("isolation: the gate did not let the tenant in")

// number reads what the gate's functions return.
func number(row [][]byte) (int64, bool) {
	if len(row) != 1 || len(row[0]) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(row[0])), true //nolint:gosec // G115: the bits, not the value
}

// passed notes that the session is g's, after the transaction that passed the
// gate has ended well.
func (c *conn) passed(g gate) {
	if c.enter == nil || c.enter.pooled || g.readonly {
		return // nothing of it outlives the transaction, or may be relied upon
	}
	c.bound, c.epoch, c.timeout = g.number, g.epoch, g.timeout
}

// params encodes parameters in PostgreSQL's binary format without allocating.
type params struct {
	values [][]byte
	buf    []byte
}

func (p *params) reset() {
	p.values = p.values[:0]
	if cap(p.buf) == 0 {
		p.buf = make([]byte, 0, 128) // more than any gate needs, so that values stay where they are
	}
	p.buf = p.buf[:0]
}

func (p *params) add(from int) { p.values = append(p.values, p.buf[from:len(p.buf):len(p.buf)]) }

func (p *params) int8(v int64) {
	at := len(p.buf)
	p.buf = binary.BigEndian.AppendUint64(p.buf, uint64(v)) //nolint:gosec // G115: the bits, not the value
	p.add(at)
}

func (p *params) int4(v int32) {
	at := len(p.buf)
	p.buf = binary.BigEndian.AppendUint32(p.buf, uint32(v)) //nolint:gosec // G115: as above
	p.add(at)
}

func (p *params) bool(v bool) {
	at := len(p.buf)
	p.buf = append(p.buf, boolByte(v))
	p.add(at)
}

func (p *params) bytea(v []byte) {
	at := len(p.buf)
	p.buf = append(p.buf, v...)
	p.add(at)
}

func (p *params) text(v string) {
	at := len(p.buf)
	p.buf = append(p.buf, v...)
	p.add(at)
}

func openTypes() []uint32 {
	return []uint32{pgtype.Int4OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.ByteaOID}
}

func bindTypes() []uint32 {
	return []uint32{pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.BoolOID, pgtype.Int4OID}
}

func rebindTypes() []uint32 {
	return []uint32{pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.TextOID}
}

func enterTypes() []uint32 {
	return []uint32{
		pgtype.Int4OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.BoolOID,
		pgtype.Int4OID, pgtype.Int8OID, pgtype.ByteaOID,
	}
}

// readFloat reads a result of one float8.
func readFloat(p *pgconn.Pipeline) (float64, error) {
	results, err := p.GetResults()
	if err != nil {
		return 0, err
	}
	rr, ok := results.(*pgconn.ResultReader)
	if !ok {
		return 0, fmt.Errorf("isolation: unexpected %T", results)
	}
	got := math.NaN()
	for rr.NextRow() {
		if v := rr.Values(); len(v) == 1 && len(v[0]) == 8 {
			got = math.Float64frombits(binary.BigEndian.Uint64(v[0]))
		}
	}
	_, err = rr.Close()
	if err == nil && math.IsNaN(got) {
		err = errors.New("isolation: unexpected answer of the data server")
	}
	return got, err
}
