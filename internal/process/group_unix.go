//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// SignalGroup sends a signal to the child and to everything it started. A
// group that has ended is no error.
func (c *Child) SignalGroup(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("process: signal %v: %w", sig, errors.ErrUnsupported)
	}

	if err := syscall.Kill(-c.PID(), number); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process: signal group %d: %w", c.PID(), err)
	}

	return nil
}

// lock tries to take the file's lock, which the kernel gives back when its
// holder dies: unlike a process number it is never handed to someone else, and
// it tells the truth between containers that share a temporary folder.
func lock(file *os.File, _ bool) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
