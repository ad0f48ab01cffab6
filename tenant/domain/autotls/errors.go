package autotls

import (
	"errors"
	"fmt"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// What callers branch on.
var (
	// ErrInvalid marks options, hosts and keys that make no sense.
	ErrInvalid = errors.New("autotls: invalid")
	// ErrTampered marks a stored value that was not sealed by us for its place:
	// it was changed, moved, or sealed with a key that is not known any more.
	ErrTampered = errors.New("autotls: stored value does not belong there, or its key is not known")
	// ErrLockLost is what whoever held a lock finds when it writes after its
	// lease has ended: somebody else may be at work.
	ErrLockLost = errors.New("autotls: lock was lost")
	// ErrClosed is returned after Close, and before Open.
	ErrClosed = errors.New("autotls: manager is not open")
	// ErrPending is returned in a handshake whose order takes longer than
	// Options.HandshakeWait. The order goes on.
	ErrPending = errors.New("autotls: certificate is still being ordered")
)

// pausedError says that a CA is left alone, and what it was in trouble with when
// that is news.
type pausedError struct {
	until time.Time
	err   error
}

// Error implements error.
func (e *pausedError) Error() string {
	text := "autotls: the CA is in trouble, and left alone until " + e.until.UTC().Format(time.RFC3339)
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns what the CA was in trouble with.
func (e *pausedError) Unwrap() error { return e.err }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// The reasons of an [IssueError]: stable words, for metrics and for people.
const (
	ReasonOrderFailed = "order-failed" // whatever has no word of its own
	ReasonRateLimited = "rate-limited" // by our budget or by the CA
	ReasonUnreachable = "unreachable"  // the CA found no answer to its challenge
	ReasonCAAForbids  = "caa-forbids"  // a CAA record keeps the CA out
	ReasonDNSFailure  = "dns-failure"  // the CA could not look the host up
	// ReasonCAUnavailable is a CA that does not answer, or only that it is in
	// trouble. All CAs are, if it is what an order has failed for.
	ReasonCAUnavailable = "ca-unavailable"
)

// IssueError says why there is no certificate for a host. No CA was asked when
// the host rests after earlier failures.
type IssueError struct {
	Host string
	// Why is one of the reasons above.
	Why string
	// RetryAt is when it makes sense to ask again.
	RetryAt time.Time
	// Err has what each CA said. It may be nil where another node has failed.
	Err error

	refused bool            // by a CA at least, for a reason of the host's own
	wait    *pace.WaitError // the budget that there is first, where none has refused
}

// Error implements error.
func (e *IssueError) Error() string {
	text := "autotls: no certificate for " + e.Host + ": " + e.Why
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what the CAs said.
func (e *IssueError) Unwrap() error { return e.Err }

// Reason returns Why, for callers that know this error by shape.
func (e *IssueError) Reason() string { return e.Why }

// Retry returns RetryAt, for the same.
func (e *IssueError) Retry() time.Time { return e.RetryAt }
