//go:build !unix

package process

import (
	"os"
	"syscall"
)

// attributes has nothing to set: there are neither groups nor users to choose.
func attributes(*Owner, syscall.Signal) *syscall.SysProcAttr { return nil }

// SignalGroup kills the child, the only signal that can be sent here.
func (c *Child) SignalGroup(os.Signal) error { return c.Signal(os.Kill) }

// lock always succeeds in taking a folder of our own and never takes another's,
// so that nothing is swept where there are no file locks.
func lock(_ *os.File, own bool) bool { return own }
