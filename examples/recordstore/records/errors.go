package records

import (
	"errors"
	"fmt"
)

// ErrInvalid is returned for files that are not what they should be; see
// [InvalidError].
var ErrInvalid = errors.New("records: invalid file")

// InvalidError says which line of which file is wrong. It matches
// [ErrInvalid].
type InvalidError struct {
	File string
	// Line is where the row begins, 1 for the header, and 0 when the file as a
	// whole is meant.
	Line int
	// Err says what is wrong, after the name of the column.
	Err error
}

// Error implements error.
func (e *InvalidError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("records: %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("records: %s:%d: %v", e.File, e.Line, e.Err)
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Unwrap returns what is wrong.
func (e *InvalidError) Unwrap() error { return e.Err }
