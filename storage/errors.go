package storage

import (
	"errors"
	"fmt"

	"gocloud.dev/gcerrors"
)

// The conditions worth branching on. They come through *blob.Bucket and can be
// tested with [errors.Is]; those of package tenant come back as they are, and
// [gcerrors.Code] says the rest, such as NotFound.
var (
	// ErrKey is returned for a key or a prefix that breaks a rule. See
	// [KeyError].
	ErrKey = errors.New("storage: key is not allowed")
	// ErrQuota is returned for a write that would take a tenant beyond its
	// quota. Nothing of the object is kept. See [QuotaError].
	ErrQuota = errors.New("storage: quota is used up")
	// ErrRefused is returned for what cannot be done behind the wall: drivers'
	// own types, a signed URL that the options do not allow.
	ErrRefused = errors.New("storage: refused")
	// ErrOtherTenant is returned when a bucket that was opened for one tenant
	// is used with the context of another.
	ErrOtherTenant = errors.New("storage: bucket is another tenant's")
	// ErrMoved is returned by a write that began before its tenant was moved
	// or lost the right to write, and ended after. Nothing of it is kept.
	ErrMoved = errors.New("storage: tenant was moved or shut meanwhile")
	// ErrNoStore is returned for a tenant whose placement names a store or a
	// shared bucket that there is not.
	ErrNoStore = errors.New("storage: no such store")
	// ErrRegion is returned for a tenant that is placed outside its region.
	ErrRegion = errors.New("storage: store is in another region")
	// ErrRetained is returned for a file that [Options.Retain] keeps from being
	// deleted or replaced.
	ErrRetained = errors.New("storage: file is retained")
	// ErrCorrupt is returned for a file that cannot be authenticated: it was
	// altered, cut, or is another's.
	ErrCorrupt = errors.New("storage: file cannot be authenticated")
	// ErrArchive is returned for an archive that [Buckets.Import] cannot take.
	ErrArchive = errors.New("storage: archive is not allowed")
	// ErrClosed is returned after [Buckets.Close].
	ErrClosed = errors.New("storage: closed")
)

// KeyError says which rule a key breaks. It matches [ErrKey]. It does not hold
// the key, which may say something about a person.
type KeyError struct {
	// Rule says what is wrong, such as "has a segment \"..\"".
	Rule string
}

// Error implements error.
func (e *KeyError) Error() string { return "storage: key " + e.Rule }

// Is reports whether target is [ErrKey].
func (e *KeyError) Is(target error) bool { return target == ErrKey }

// QuotaError says what a tenant has, wanted and may have. It matches
// [ErrQuota].
type QuotaError struct {
	// Used is what the tenant has, with all that is being written.
	Used Amount
	// Wanted is what was asked for on top.
	Wanted Amount
	// Quota is what the tenant may have.
	Quota Quota
}

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("storage: %d bytes in %d files, and %d bytes in %d files more, exceed the quota of %d bytes, %d files",
		e.Used.Bytes, e.Used.Files, e.Wanted.Bytes, e.Wanted.Files, e.Quota.Bytes, e.Quota.Files)
}

// Is reports whether target is [ErrQuota].
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// code is what *blob.Bucket says of an error, to callers who know only gocloud.
func code(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, ErrKey), errors.Is(err, ErrArchive):
		return gcerrors.InvalidArgument
	case errors.Is(err, ErrQuota):
		return gcerrors.ResourceExhausted
	case errors.Is(err, ErrRefused), errors.Is(err, ErrOtherTenant), errors.Is(err, ErrRetained), errors.Is(err, ErrRegion):
		return gcerrors.PermissionDenied
	case errors.Is(err, ErrMoved), errors.Is(err, ErrNoStore), errors.Is(err, ErrClosed):
		return gcerrors.FailedPrecondition
	}
	return gcerrors.Code(err)
}
