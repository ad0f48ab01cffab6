package provisioning

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Waker wakes workers on other nodes, and at a later time. It may forget, wake
// too often and too late: each engine also looks by itself, at each
// [Options.Sweep]. The package riverwaker has one on River.
type Waker interface {
	// Start begins to call wake, which does not block, with each operation that
	// is due.
	Start(ctx context.Context, wake func(ID)) error
	// Wake has a worker woken for an operation once tx is committed, and not
	// before the time given, if it is not zero.
	Wake(ctx context.Context, tx pgx.Tx, id ID, at time.Time) error
	// Stop ends what Start began.
	Stop(ctx context.Context) error
}

// noWaker leaves everything to the engine's own looking.
type noWaker struct{}

func (noWaker) Start(context.Context, func(ID)) error             { return nil }
func (noWaker) Wake(context.Context, pgx.Tx, ID, time.Time) error { return nil }
func (noWaker) Stop(context.Context) error                        { return nil }
