package embedded

import (
	"context"
	"time"
)

// Order is the order in which sources are tried by default.
func Order() []Source { return (*Options)(nil).withDefaults().Sources }

// Bounded is bounded for strings.
func Bounded(
	ctx context.Context, timeout time.Duration, call func(context.Context) (string, error), late func(string, error),
) (string, error) {
	return bounded(ctx, timeout, call, late)
}
