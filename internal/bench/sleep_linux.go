package main

import (
	"syscall"
	"time"
)

// sleep sleeps to within a tenth of a millisecond. Go's own timers wake up with
// the poller, to which a part of a millisecond is a whole one.
func sleep(d time.Duration) {
	if d > 0 {
		ts := syscall.NsecToTimespec(d.Nanoseconds())
		_ = syscall.Nanosleep(&ts, nil) // a signal makes it shorter, no more
	}
}
