package isolation

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// DropIdle gives back the leases that idle connections hold on a tenant.
func (db *DB) DropIdle(slug string, who map[string]tenant.Tenant) {
	for _, s := range db.servers {
		s.drop(who[slug].Number)
	}
}

// EndIdle ends all idle connections.
func (db *DB) EndIdle() {
	for _, s := range db.servers {
		s.group.Sweep(db.opts.Clock().Add(time.Hour))
	}
}

// LeavesTrace is query.leavesTrace.
func LeavesTrace(sql string, inTx bool) bool {
	word, rest := firstWord(sql)
	return query{sql: sql, word: word, rest: rest}.leavesTrace(inTx)
}

// SetFence sets a tenant's fence as whoever moves it would.
func (db *DB) SetFence(ctx context.Context, t tenant.Tenant, state string) error {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return err
	}
	f := fence{number: t.Number, epoch: t.Placement.Epoch, state: FenceState(state), path: how.path(s, t)}
	_, _, err = s.setFence(ctx, how.database(s, t), f, drainTime)
	return err
}

// Newest reads a database's newest key.
func Newest(ctx context.Context, conn *pgx.Conn) (Key, error) { return newestKey(ctx, conn) }

// SignSession is Key.signSession.
func (k Key) SignSession(secret int64, pid uint32, expires int64) []byte {
	return k.signSession(secret, pid, expires)
}

// SignToken is Key.signToken.
func (k Key) SignToken(number, epoch int64, readonly bool, expires int64) []byte {
	return k.signToken(gate{number: number, epoch: epoch, readonly: readonly}, expires)
}

// Notice is a notice as it is sent.
func Notice(k Key, number, expires int64) string {
	return notice{number: number, expires: expires}.write(k)
}

// ReadNotice reports whether a notice is believed.
func ReadNotice(k Key, payload string) bool {
	n, mac, ok := readNotice(payload)
	return ok && n.by(k, mac, time.Unix(0, 0))
}

// DialBy has all connections to tenants' databases made anew, by a dialer.
func (db *DB) DialBy(dial pgconn.DialFunc) {
	for _, s := range db.servers {
		s.mu.Lock()
		for _, d := range s.databases {
			d.dialer.config.DialFunc = dial
		}
		s.app.DialFunc = dial
		s.mu.Unlock()
	}
	db.EndIdle()
}

// BreakSpares cuts the migrator's spare connections to a server, so many as it
// returns, as a network would.
func (db *DB) BreakSpares(server string) int {
	p := db.servers[server].spares
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		_ = s.conn.PgConn().Conn().Close()
	}
	return len(p.idle)
}
