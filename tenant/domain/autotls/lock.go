package autotls

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
)

// hold is a lock that somebody in this process has. Its lease is by the
// database's clock, and is renewed until it is released or lost. It ends for
// its holder by his own clock, counted from before he asked.
type hold struct {
	name  string
	token int64
	// lost is cancelled when the lock is not held any more.
	lost context.Context
	stop context.CancelCauseFunc
	done chan struct{} // closed when nobody renews it any more
}

// lockName and lockToken are what a statement is held to; those of nobody are
// the empty name and 0.
func (h *hold) lockName() string {
	if h == nil {
		return ""
	}
	return h.name
}

func (h *hold) lockToken() int64 {
	if h == nil {
		return 0
	}
	return h.token
}

// errReleased ends the renewing of a lock that is not needed any more.
var errReleased = errors.New("autotls: lock was released")

// take tries once to take a lock, and returns nil when somebody else holds it.
// Two goroutines of one process are somebody else to each other.
func (s *storage) take(ctx context.Context, name string) (*hold, error) {
	if name == "" || len(name) > maxKey {
		return nil, invalid("lock name of %d bytes", len(name))
	}
	asked := time.Now()
	h := &hold{name: name, done: make(chan struct{})}
	err := s.pool.QueryRow(ctx, `
		INSERT INTO partywall_tls.lock AS l (name, token, holder, lease_until)
		VALUES ($1, nextval('partywall_tls.lock_token'), $2, clock_timestamp() + $3)
		ON CONFLICT (name) DO UPDATE SET token = EXCLUDED.token, holder = EXCLUDED.holder, lease_until = EXCLUDED.lease_until
		WHERE l.lease_until <= clock_timestamp()
		RETURNING token`, name, s.holder, s.lease).Scan(&h.token)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // somebody else's lock is neither a lock nor an error
	}
	if err != nil {
		return nil, fmt.Errorf("autotls: locking %q: %w", name, err)
	}
	h.lost, h.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	go s.keep(h, asked.Add(s.lease))
	return h, nil
}

// keep renews a lock at each third of its lease.
func (s *storage) keep(h *hold, until time.Time) {
	defer close(h.done)
	pause := time.NewTicker(s.lease / 3)
	defer pause.Stop()
	for {
		select {
		case <-h.lost.Done():
			return
		case <-pause.C:
		}
		asked := time.Now()
		ctx, cancel := context.WithDeadline(h.lost, until)
		err := s.extend(ctx, h, s.lease)
		cancel()
		switch {
		case err == nil:
			until = asked.Add(s.lease)
		case errors.Is(err, ErrLockLost) || !time.Now().Before(until):
			h.stop(ErrLockLost)
			return
		}
	}
}

// extend makes a lease last for another while.
func (s *storage) extend(ctx context.Context, h *hold, lease time.Duration) error {
	done, err := s.pool.Exec(ctx, `
		UPDATE partywall_tls.lock SET lease_until = greatest(lease_until, clock_timestamp() + $3)
		WHERE name = $1 AND token = $2 AND lease_until > clock_timestamp()`, h.name, h.token, lease)
	if err == nil && done.RowsAffected() == 0 {
		err = ErrLockLost
	}
	if err != nil {
		return fmt.Errorf("autotls: keeping the lock %q: %w", h.name, err)
	}
	return nil
}

// await takes a lock as soon as nobody else has it.
func (s *storage) await(ctx context.Context, name string) (*hold, error) {
	pause := 20 * time.Millisecond
	for {
		h, err := s.take(ctx, name)
		if h != nil || err != nil {
			return h, err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // chance keeps those who wait apart, no more
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("autotls: waiting for the lock %q: %w", name, context.Cause(ctx))
		case <-timer.C:
		}
		pause = min(2*pause, s.lease/2, time.Second)
	}
}

// release gives a lock back. One that was lost is somebody else's, which is no
// error.
func (s *storage) release(ctx context.Context, h *hold) error {
	h.stop(errReleased)
	<-h.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.lease)
	defer cancel()
	if _, err := s.pool.Exec(ctx, `DELETE FROM partywall_tls.lock WHERE name = $1 AND token = $2`, h.name, h.token); err != nil {
		return fmt.Errorf("autotls: unlocking %q: %w", h.name, err)
	}
	return nil
}

// under calls f with a lock held. f's context ends with the lock, for
// [ErrLockLost].
func (s *storage) under(ctx context.Context, name string, f func(context.Context, *hold) error) error {
	h, err := s.await(ctx, name)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.lost, func() { cancel(context.Cause(h.lost)) })
	err = f(inner, h)
	if err != nil && errors.Is(context.Cause(h.lost), ErrLockLost) {
		err = errors.Join(ErrLockLost, err)
	}
	stop()
	cancel(nil)
	// A lock that cannot be given back ends with its lease, and what was done
	// under it is done.
	if released := s.release(ctx, h); err != nil {
		err = errors.Join(err, released)
	}
	return err
}

// Lock implements [certmagic.Locker].
func (s *storage) Lock(ctx context.Context, name string) error {
	h, err := s.await(ctx, name)
	if err != nil {
		return err
	}
	s.remember(h)
	return nil
}

// TryLock implements [certmagic.TryLocker].
func (s *storage) TryLock(ctx context.Context, name string) (bool, error) {
	h, err := s.take(ctx, name)
	if h == nil || err != nil {
		return false, err
	}
	s.remember(h)
	return true, nil
}

// certmagic names a lock only when it gives it back. So the locks of a name
// stand in line: where one was lost and another goroutine has it now, the first
// of the two to give one back gives back the lost one, and the one that is held
// stays until both are done.
func (s *storage) remember(h *hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[h.name] = append(s.holds[h.name], h)
}

// Unlock implements [certmagic.Locker].
func (s *storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	line := s.holds[name]
	if len(line) == 0 {
		s.mu.Unlock()
		return fmt.Errorf("autotls: unlocking %q: %w", name, ErrLockLost)
	}
	if len(line) == 1 {
		delete(s.holds, name)
	} else {
		s.holds[name] = line[1:]
	}
	s.mu.Unlock()
	return s.release(ctx, line[0])
}

// RenewLockLease implements [certmagic.LockLeaseRenewer]. It fails with
// [ErrLockLost] for a lock that this process has not.
func (s *storage) RenewLockLease(ctx context.Context, name string, lease time.Duration) error {
	s.mu.Lock()
	line := s.holds[name]
	s.mu.Unlock()
	if len(line) == 0 {
		return fmt.Errorf("autotls: keeping the lock %q: %w", name, ErrLockLost)
	}
	return s.extend(ctx, line[len(line)-1], min(lease, maxLease))
}

// maxLease bounds what certmagic asks for, which is hours: nobody else could go
// on for as long after a crash.
const maxLease = 5 * time.Minute

// issueLock is the name of the lock under which certificates of a host change;
// it is certmagic's.
func issueLock(host string) string { return "issue_cert_" + host }

// fence returns the lock that a file of a certificate is written under, if this
// process works on its host.
func (s *storage) fence(key string) *hold {
	parts := strings.Split(key, "/")
	if len(parts) < 3 || parts[0] != "certificates" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, line := range s.holds {
		if host, ok := strings.CutPrefix(name, issueLock("")); ok && certmagic.StorageKeys.Safe(host) == parts[2] {
			return line[len(line)-1]
		}
	}
	return nil
}
