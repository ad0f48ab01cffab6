package isolation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// FenceState is what a data server lets a tenant do.
type FenceState string

// The states of a fence, as in wall/002_session.sql.
const (
	FenceOpen     FenceState = "a"
	FenceReadOnly FenceState = "r"
	FenceShut     FenceState = "f"
	// FenceNone is the state of a tenant that the data server has not heard of.
	FenceNone FenceState = ""
)

// Fence is what a data server knows of a tenant: the epoch that it lets in, and
// what for.
type Fence struct {
	Epoch int64
	State FenceState
}

// fence is what a data server is told of a tenant.
type fence struct {
	number, epoch int64
	state         FenceState
	path          string
	hi, lo        *int64 // the halves of its UUID, where tables are keyed by it
}

// drainTime is how long the sessions of a tenant have to end what they are at,
// before they are ended.
const drainTime = time.Second

// maxEvictions is how often in a row sessions are ended to raise one fence.
const maxEvictions = 2

// setFence sets a tenant's fence once every lease on the tenant has been given
// back, and ends the sessions that do not give theirs back in time, so many as
// it returns. It also returns the fence that stands then: the data server may
// know a later one, or one that is shut.
func (s *server) setFence(ctx context.Context, database string, f fence, grace time.Duration) (ended int64, now Fence, err error) {
	if err := s.telling.take(ctx); err != nil {
		return 0, now, fmt.Errorf("isolation: waiting to tell server %q of tenant %d: %w", s.name, f.number, err)
	}
	defer s.telling.leave()
	defer s.asker.ask(ctx, f.number)()
	err = s.spares.hurried(ctx, database, func(conn *pgx.Conn) error {
		if ended, now, err = f.set(ctx, conn, grace); err != nil {
			return fmt.Errorf("isolation: telling server %q of tenant %d, epoch %d: %w", s.name, f.number, f.epoch, err)
		}
		return nil
	})
	return ended, now, err
}

// set is setFence on a connection.
func (f fence) set(ctx context.Context, conn *pgx.Conn, grace time.Duration) (ended int64, now Fence, err error) {
	for attempt := 0; ; attempt++ {
		now, err := f.admit(ctx, conn, grace)
		if err == nil || !isCode(err, "55P03") || attempt == maxEvictions { // lock_not_available
			return ended, now, err
		}
		n, err := evict(ctx, conn, f.number)
		if ended += n; err != nil {
			return ended, now, fmt.Errorf("ending its sessions: %w", err)
		}
	}
}

// admit waits for the leases as long as the grace is, sets the fence, and reads
// what stands then, in one flush.
func (f fence) admit(ctx context.Context, conn *pgx.Conn, grace time.Duration) (now Fence, err error) {
	var b pgx.Batch
	b.Queue(`SELECT set_config('lock_timeout', $1, true)`, strconv.Itoa(int(milliseconds(grace))))
	b.Queue(`SELECT partywall.admit($1, $2, $3, $4, $5, $6)`, f.number, f.epoch, string(f.state), f.path, f.hi, f.lo)
	b.Queue(fenceSQL, f.number).QueryRow(now.scan)
	err = conn.SendBatch(ctx, &b).Close()
	return now, err
}

// evict ends the sessions that hold a lease on a tenant, so many as it returns.
func evict(ctx context.Context, conn *pgx.Conn, number int64) (ended int64, err error) {
	err = conn.QueryRow(ctx, `SELECT partywall.evict($1)`, number).Scan(&ended)
	if isCode(err, "42501") { // insufficient_privilege: the migrator of a managed server could not grant it
		return 0, fmt.Errorf("%w; run as a superuser: GRANT pg_signal_backend TO partywall_owner", err)
	}
	return ended, err
}

const fenceSQL = `SELECT epoch, state FROM partywall.fence WHERE tenant_id = $1`

// scan reads the row of a fence, which is [FenceNone] if there is none.
func (f *Fence) scan(row pgx.Row) error {
	err := row.Scan(&f.Epoch, &f.State)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// readFence reads a tenant's fence.
func readFence(ctx context.Context, conn *pgx.Conn, number int64) (f Fence, err error) {
	if err := f.scan(conn.QueryRow(ctx, fenceSQL, number)); err != nil {
		return f, fmt.Errorf("isolation: reading the fence of tenant %d: %w", number, err)
	}
	return f, nil
}

// is reports whether a fence is as it was to be set. A tenant that is shut out
// by a later epoch is shut out.
func (f Fence) is(epoch int64, want FenceState) bool {
	return f.State == want && (f.Epoch == epoch || want == FenceShut && f.Epoch > epoch)
}

func isCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}
