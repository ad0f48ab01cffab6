package autotls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/partywall/partywall/internal/hostname"
	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// newBudget returns what may be spent at a CA, on all nodes together.
func newBudget(ca CA, key string, share float64, l pace.Ledger) (*pace.Budget, error) {
	if len(key) > 64 {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:16])
	}
	return pace.New(l, &pace.Options{Authority: key, Limits: ca.Limits, Share: share, Registrable: hostname.Registrable})
}

// shortWait is how long an order waits for its budget rather than fail: for what
// is so much a second, and not for what is so much a week.
const shortWait = 5 * time.Second

// spend takes what an order costs.
func spend(ctx context.Context, take func(context.Context) error) error {
	began := time.Now()
	for {
		err := take(ctx)
		short, ok := errors.AsType[*pace.WaitError](err)
		if !ok || time.Until(short.Until) > shortWait-time.Since(began) {
			return err
		}
		timer := time.NewTimer(max(time.Until(short.Until), time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// class says who waits for an order, which is part of a backlog or not.
func (m *Manager) class(before *previous, backlog bool) pace.Class {
	switch {
	case before != nil:
		leaf := before.leaf
		return pace.Renewing(leaf.NotAfter.Sub(m.opts.Clock()), leaf.NotAfter.Sub(leaf.NotBefore))
	case backlog:
		return pace.Backlog
	default:
		return pace.Waiting
	}
}
