package pace

import (
	"fmt"
	"time"
)

// Class says who waits for an order, and so what part of the budget it may have.
type Class int

const (
	// Waiting is a first certificate that somebody waits for, or any other that
	// cannot wait. It may have the whole budget.
	Waiting Class = iota
	// Renewal has time. It leaves the reserve alone.
	Renewal
	// Backlog is a first certificate with very many before it, such as those of
	// customers that all come at once from another platform. It leaves the
	// reserve alone twice, so that whoever comes after them need not wait for all.
	Backlog
)

// String names the class.
func (c Class) String() string {
	switch c {
	case Waiting:
		return "waiting"
	case Renewal:
		return "renewal"
	case Backlog:
		return "backlog"
	default:
		return fmt.Sprintf("class %d", int(c))
	}
}

// urgent is the part of a certificate's life that is left when its renewal
// cannot wait any more: a month of ninety days has passed twice by then.
const urgent = 8

// Renewing is the class of an order that takes the place of a certificate, for
// what is left of its life: Renewal, and Waiting when that is little.
func Renewing(left, life time.Duration) Class {
	if left < life/urgent {
		return Waiting
	}
	return Renewal
}
