package pgtx

import "time"

// Begin begins a transaction that may be silent for another time.
func Begin(idle time.Duration) string { return begin(idle) }
