package autotls

import (
	"context"
	"time"
)

// budget keeps orders below what a CA allows.
type budget interface {
	order(ctx context.Context, account, name string, renews bool) error
	failed(ctx context.Context, account, name string) error
	waits(err error) (until time.Time, ok bool)
}

type unlimited struct{}

func (unlimited) order(context.Context, string, string, bool) error { return nil }
func (unlimited) failed(context.Context, string, string) error      { return nil }
func (unlimited) waits(error) (time.Time, bool)                     { return time.Time{}, false }

func renewAt(notBefore, notAfter time.Time, window *[2]time.Time, _ string) time.Time {
	if window != nil {
		return window[0]
	}
	return notBefore.Add(notAfter.Sub(notBefore) * 2 / 3)
}
