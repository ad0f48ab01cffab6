package isolation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// spares are connections of the migrator's that have just served somebody who
// waits, kept for a moment: to connect takes longer than all else that a drain
// does. Nobody else's statements ever come by them.
type spares struct {
	server *server

	mu     sync.Mutex
	idle   []*spare
	closed bool
}

type spare struct {
	conn     *pgx.Conn
	database string
	expiry   *time.Timer
}

// mostSpares is as many as one drain needs, and spareLife how long they wait for
// the next.
const (
	mostSpares = 2
	spareLife  = 10 * time.Second
)

// hurried runs fn on a connection of the migrator's to a database on which each
// statement goes out without being described first. fn may run twice: a spare
// may have died since it was used.
func (p *spares) hurried(ctx context.Context, database string, fn func(*pgx.Conn) error) error {
	if conn := p.take(database); conn != nil {
		err := fn(conn)
		died := conn.IsClosed()
		p.put(conn, database)
		if err == nil || !died || ctx.Err() != nil {
			return err
		}
	}
	config, err := p.server.migrator(database)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("isolation: server %q: connecting as migrator: %w", p.server.name, err)
	}
	defer p.put(conn, database)
	return fn(conn)
}

// take returns a spare connection to the database, nil if there is none.
func (p *spares) take(database string) *pgx.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.idle {
		if s.database == database {
			p.idle = slices.Delete(p.idle, i, i+1)
			s.expiry.Stop()
			return s.conn
		}
	}
	return nil
}

// put keeps a connection that is as good as new, and ends any other, or the one
// that has waited longest.
func (p *spares) put(conn *pgx.Conn, database string) {
	if conn.IsClosed() || conn.PgConn().TxStatus() != 'I' {
		hangUp(conn)
		return
	}
	s := &spare{conn: conn, database: database}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		hangUp(conn)
		return
	}
	s.expiry = time.AfterFunc(spareLife, func() { p.drop(s) })
	p.idle = append(p.idle, s)
	var oldest *spare
	if len(p.idle) > mostSpares {
		oldest = p.idle[0]
	}
	p.mu.Unlock()
	if oldest != nil {
		p.drop(oldest)
	}
}

// drop ends a spare, unless somebody has taken it.
func (p *spares) drop(s *spare) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		s.expiry.Stop()
		hangUp(s.conn)
	}
}

// close ends all spares, and from now on those that come.
func (p *spares) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, s := range idle {
		s.expiry.Stop()
		hangUp(s.conn)
	}
}
