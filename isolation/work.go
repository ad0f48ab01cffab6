package isolation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/fencing"
	"github.com/partywall/partywall/tenant"
)

// workName is the application_name of a session that makes or ends places for a
// worker.
func workName(t fencing.Token) string {
	return fmt.Sprintf("partywall work %s %d", tenant.ID(t.Subject), t.Number)
}

// endingTime is how long sessions of a worker that was given up on have to end.
const endingTime = 5 * time.Second

// endEarlierSQL ends the sessions that work on a subject with a lower token, in
// whatever database, and counts those that have not ended in time. A session
// says what it is before it shows its token: so it is either seen here, or sees
// the higher token.
const endEarlierSQL = `
	SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, $3)) FROM pg_stat_activity
	WHERE application_name ~ '^partywall work [0-9a-f-]{36} [0-9]{1,10}$' AND usename = current_user AND pid <> pg_backend_pid()
	  AND split_part(application_name, ' ', 3) = $1::uuid::text AND split_part(application_name, ' ', 4)::bigint < $2`

// showToken has the server refuse what workers before this one still do, and
// fails if this one is refused itself. conn bears its workName already. The
// token is kept in the server's own database, where conn may not be: the
// tenant's may not be there yet.
func (s *server) showToken(ctx context.Context, conn *pgx.Conn, database string, t fencing.Token) error {
	if database == s.app.Database {
		return s.supersede(ctx, conn, t)
	}
	return s.asMigrator(ctx, s.app.Database, func(*pgx.Conn) error { return nil })
}

// supersede is showToken on a connection to the server's own database.
func (s *server) supersede(ctx context.Context, conn *pgx.Conn, t fencing.Token) error {
	subject := tenant.ID(t.Subject)
	var token int64
	err := conn.QueryRow(ctx, `
		INSERT INTO partywall.work AS w (subject, token) VALUES ($1, $2)
		ON CONFLICT (subject) DO UPDATE SET token = excluded.token, at = excluded.at WHERE w.token <= excluded.token
		RETURNING token`, subject, t.Number).Scan(&token)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: operation %s, token %d", ErrSuperseded, subject, t.Number)
	}
	if err != nil {
		return fmt.Errorf("isolation: server %q: showing the token of operation %s: %w", s.name, subject, err)
	}
	var left int64
	err = conn.QueryRow(ctx, endEarlierSQL, subject, t.Number, milliseconds(endingTime)).Scan(&left)
	if err != nil {
		return fmt.Errorf("isolation: server %q: ending earlier workers of operation %s: %w", s.name, subject, err)
	}
	if left > 0 {
		return fmt.Errorf("isolation: server %q: %d sessions of earlier workers of operation %s do not end", s.name, left, subject)
	}
	return nil
}
