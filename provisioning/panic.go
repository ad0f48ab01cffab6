package provisioning

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// panicError is what the host's code panicked with. Where it did is for the log.
type panicError struct {
	value any
	stack []byte
}

// Error implements error.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// careful makes an error of a panic: permanent, because the next try would end
// in the same way.
func careful(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Fail(&panicError{value: v, stack: debug.Stack()})
		}
	}()
	return fn()
}

// stackOf is where err panicked, for a logger; empty if it did not.
func stackOf(err error) string {
	if p, ok := errors.AsType[*panicError](err); ok {
		return string(p.stack)
	}
	return ""
}
