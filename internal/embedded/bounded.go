package embedded

import (
	"context"
	"fmt"
	"time"
)

// bounded calls a function of a library that may panic or not heed its
// context, and returns at the latest after timeout. A call that does not end
// is left behind; when it ends after all, late is given its result.
func bounded[T any](
	ctx context.Context, timeout time.Duration, call func(context.Context) (T, error), late func(T, error),
) (T, error) {
	type outcome struct {
		value T
		err   error
	}

	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("gave up after %v", timeout))
	defer cancel()

	// Unbuffered, so that a result is either taken here or known to be late.
	results := make(chan outcome)

	go func() {
		var result outcome

		func() {
			defer func() {
				if reason := recover(); reason != nil {
					result.err = fmt.Errorf("panic: %v", reason)
				}
			}()

			result.value, result.err = call(ctx)
		}()

		select {
		case results <- result:
		case <-ctx.Done():
			late(result.value, result.err)
		}
	}()

	select {
	case result := <-results:
		return result.value, result.err
	case <-ctx.Done():
		var none T

		return none, context.Cause(ctx) //nolint:wrapcheck // the caller names the source
	}
}
