package isolation

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// listen gives a tenant's leases back when whoever fences the tenant asks for
// them, on a connection of its own beside the budget, until ctx is done. To
// miss a notice costs time and nothing else: a session that does not answer is
// ended. Behind a pooler no lease outlives its transaction, and nobody listens.
func (s *server) listen(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		if err := s.hear(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.DebugContext(ctx, "isolation: not told when a tenant is to be let go", "server", s.name, "error", err)
		}
		pause.Reset(listenPause)
	}
}

// listenPause is how long to wait after a connection has failed.
const listenPause = time.Second

// hear acts on notices until its connection fails.
func (s *server) hear(ctx context.Context) error {
	config := s.app.Copy()
	config.RuntimeParams["application_name"] = "partywall listener"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("isolation: server %q: connecting to listen: %w", s.name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it has only listened
	if _, err := conn.Exec(ctx, `LISTEN `+drainChannel); err != nil {
		return err
	}
	for {
		heard, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n, mac, ok := readNotice(heard.Payload); ok && s.believes(ctx, n, mac) {
			s.drop(n.number)
		}
	}
}

// believes reports whether a notice is signed with the key of the server's own
// database, which may have changed since it was read.
func (s *server) believes(ctx context.Context, n notice, mac []byte) bool {
	p, err := s.database(ctx, s.app.Database)
	if err != nil {
		return false
	}
	keys := p.dialer.keys
	for range 2 {
		key, err := keys.current(ctx)
		if err == nil && n.by(key, mac, s.opts.Clock()) {
			return true
		}
		// Only a key that is newer than ours is worth another look.
		if err != nil || n.key <= key.ID || !keys.refused(key) {
			return false
		}
	}
	return false
}
