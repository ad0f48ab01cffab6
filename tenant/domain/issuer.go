package domain

import (
	"context"
	"time"
)

// Issuer gets certificates; an *autotls.Manager is one. An error may have a
// method Reason() string, with one of the words of [Reason], and a method Retry()
// time.Time, which says from when on it makes sense to ask again.
type Issuer interface {
	// Issue makes sure that there is a good certificate for the host.
	Issue(ctx context.Context, host string) error
	// Forget makes certificate and key go away, and has it revoked if that is
	// asked for. It may be repeated.
	Forget(ctx context.Context, host string, revoke bool) error
	// Validity returns from when until when the host's certificate is good, or an
	// error that wraps fs.ErrNotExist.
	Validity(ctx context.Context, host string) (from, until time.Time, err error)
}
