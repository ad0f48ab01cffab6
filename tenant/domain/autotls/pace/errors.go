package pace

import (
	"errors"
	"fmt"
	"time"
)

// ErrOrder is wrapped by the error for an order that no authority could take:
// no names, too many, or too long ones.
var ErrOrder = errors.New("pace: not an order")

// WaitError says that an order has to wait: it would go over the budget.
type WaitError struct {
	// Until is when there is room, if nothing else takes it first. It is by the
	// ledger's clock.
	Until time.Time
	// Wait is how long that is from now, for those with a clock of their own.
	Wait time.Duration
	// Limit is what there is too little of; of several, the one that takes longest.
	Limit Limit
	// Rate is our share of that limit.
	Rate Rate
	// Key is the bucket's.
	Key string
}

// Error names the limit and the time.
func (e *WaitError) Error() string {
	return fmt.Sprintf("pace: %s is spent until %s", e.Limit, e.Until.UTC().Format(time.RFC3339))
}

// Reason is "rate-limited", the word for it in tenant/domain.
func (*WaitError) Reason() string { return "rate-limited" }
