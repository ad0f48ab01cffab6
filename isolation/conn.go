package isolation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// conn is one connection to a data server and what is known of its session. It
// belongs to one lease at a time.
type conn struct {
	pgx   *pgx.Conn
	pg    *pgconn.PgConn
	types *pgtype.Map
	mode  pgx.QueryExecMode
	stmts *statements
	args  pgx.ExtendedQueryBuilder
	enter *entry // how the gate is passed; nil for the system's connections

	bound   int64 // the tenant the session is bound to: 0 nobody, -1 unknown
	shown   int64 // the tenant last shown at the gate, whose lease the session may hold
	epoch   int64
	schemas map[int64]struct{} // whose schemas the session has been in
	seen    map[int64]sight    // fences that the session has read, by tenant
	timeout int32              // the session's statement timeout in ms, -1 unknown
	skew    time.Duration      // how far the server's clock is ahead of ours
	tainted bool               // the session may hold something its next user must not see
}

// unknown is the state of a session that has to be set again.
const unknown = -1

// dialer makes the connections of one role to one database.
type dialer struct {
	config    *pgx.ConnConfig
	mode      pgx.QueryExecMode
	capacity  int
	pooled    bool
	keys      *keyring // nil for the system's connections
	configure func(context.Context, *pgx.Conn) error
	clock     func() time.Time
}

// dial makes a connection and, unless it is the system's, its secret.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	c, key, err := d.try(ctx)
	for range maxRotations {
		if !errors.Is(err, errUnknownKey) || !d.keys.refused(key) {
			break
		}
		c, key, err = d.try(ctx) // the keys have been rotated since we read them
	}
	return c, err
}

// maxRotations is how often in a row the keys may have been rotated between
// being read and being shown.
const maxRotations = 3

func (d *dialer) try(ctx context.Context) (*conn, Key, error) {
	var key Key
	if d.keys != nil {
		var err error
		if key, err = d.keys.current(ctx); err != nil {
			return nil, key, err
		}
	}
	raw, err := pgx.ConnectConfig(ctx, d.config.Copy())
	if err != nil {
		return nil, key, fmt.Errorf("isolation: %w", err)
	}
	c := &conn{
		pgx: raw, pg: raw.PgConn(), types: raw.TypeMap(), mode: d.mode,
		stmts: newStatements(d.capacity), timeout: unknown,
	}
	if d.configure != nil {
		if err := d.configure(ctx, raw); err != nil {
			c.close()
			return nil, key, fmt.Errorf("isolation: Options.Configure: %w", err)
		}
	}
	if d.keys == nil {
		return c, key, nil
	}
	c.enter = &entry{pooled: d.pooled, key: key, clock: d.clock}
	if err := c.open(ctx); err != nil {
		c.close()
		return nil, key, gateError(err)
	}
	return c, key, nil
}

// open gives the session its secret, and learns how far the clocks are apart.
// A pooled connection has no session to speak of: only the clocks are read.
func (c *conn) open(ctx context.Context) error {
	before := c.enter.clock()
	p := c.pg.StartPipeline(ctx)
	if c.enter.pooled {
		p.SendQueryParams(`SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())`, nil, nil, nil, binaryFormats())
	} else {
		c.enter.sendOpen(p, c.pg.PID())
	}
	if err := p.Sync(); err != nil {
		return err
	}
	seconds, err := readFloat(p)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	after := c.enter.clock()
	server := time.UnixMicro(int64(seconds * 1e6))
	c.skew = server.Sub(before.Add(after.Sub(before) / 2))
	c.enter.skew = c.skew
	c.bound = 0
	return nil
}

// alive reports whether the server is still there, asking it only when the
// connection has been idle for a while: most that die do so unnoticed.
func (c *conn) alive(ctx context.Context, idle time.Duration) bool {
	if c.pg.IsClosed() {
		return false
	}
	if idle < time.Second {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.pg.Ping(ctx) == nil
}

// suspect notes that the connection may not be given on after a statement that
// leaves something in its session. Behind a pooler the session is not ours to
// end, so the statement is refused; where the gate is read only so is all that
// PostgreSQL itself would not hold to reading, RESET for one; and everywhere
// what could lock a table.
func (c *conn) suspect(g gate, q query, inTx bool) error {
	if g.readonly && !q.heldToReading() {
		return fmt.Errorf("%w: %s by a tenant that is not active", ErrRefused, q.word)
	}
	if c.enter != nil && q.locks() {
		return fmt.Errorf("%w: %s by a tenant can lock others out of their tables; use SELECT … FOR UPDATE, or AsSystem", ErrRefused, q.word)
	}
	if c.enter != nil && c.enter.pooled && q.outlivesPooler(inTx) {
		return fmt.Errorf("%w: %s would stay in the pooler's connection for whoever has it next", ErrRefused, q.word)
	}
	c.tainted = c.tainted || q.leavesTrace(inTx)
	return nil
}

// clean reports whether the connection may serve somebody else.
func (c *conn) clean() bool {
	return !c.tainted && !c.pg.IsClosed() && !c.pg.IsBusy() && c.pg.TxStatus() == 'I'
}

// unbind makes the session nobody's, and so gives its lease back: whoever fences
// the tenant waits for that, and to make a new session takes a hundred times as
// long. It reports whether the session may serve others.
func (c *conn) unbind() bool {
	if !c.clean() {
		return false
	}
	if !c.enter.pooled { // behind a pooler no lease outlives its transaction
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		timeout := c.timeout
		if err := c.show(ctx, gate{timeout: timeout}); err != nil {
			return false
		}
		c.bound, c.epoch, c.timeout = 0, 0, timeout
	}
	c.shown = 0
	return true
}

// close ends the connection, and returns when the server has let it go.
func (c *conn) close() { hangUp(c.pgx) }

// hangUp ends a connection as pgx does and waits for the server to hang up too:
// to the server a connection counts until its process has ended.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	h, err := c.PgConn().Hijack()
	if err != nil { // it is at work on something that nobody waits for
		_ = c.Close(ctx) // whatever it was, the connection is gone
		return
	}
	defer func() { _ = h.Conn.Close() }() // as above
	_ = h.Conn.SetDeadline(time.Now().Add(closeTime))
	h.Frontend.Send(&pgproto3.Terminate{})
	if h.Frontend.Flush() == nil {
		_, _ = io.Copy(io.Discard, h.Conn) // until it hangs up, or the time is over
	}
}

// closeTime is how long a server has to let a connection go.
const closeTime = 5 * time.Second

// discard makes the session as new: what [Options.Hostile] pays for between
// tenants.
func (c *conn) discard(ctx context.Context) error {
	if err := c.pg.Exec(ctx, "DISCARD ALL").Close(); err != nil {
		return err
	}
	c.stmts = newStatements(c.stmts.capacity)
	c.bound, c.shown, c.timeout = 0, 0, unknown
	return gateError(c.open(ctx))
}

// forget notes that what was set with the last gate may have been rolled back.
func (c *conn) forget() { c.bound, c.timeout = unknown, unknown }

// randomInt64 returns 64 random bits.
func randomInt64() int64 {
	var b [8]byte
	rand.Read(b[:])                             // crypto/rand.Read never fails; it ends the program instead
	return int64(binary.BigEndian.Uint64(b[:])) //nolint:gosec // G115: the bits, not the value
}
