package cache

import (
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
)

// The conditions worth branching on. Those of package tenant come back as they
// are, and so do those of go-redis, such as redis.Nil.
var (
	// ErrRefused is returned for a command that has no place behind the wall,
	// or whose arguments could reach past it. Nothing was sent. See
	// [CommandError].
	ErrRefused = errors.New("cache: refused")
	// ErrReadOnly is returned for a command that writes, where the tenant is
	// not active and was let in to read. Nothing was sent.
	ErrReadOnly = errors.New("cache: the tenant may only read")
	// ErrPlacement is returned for a tenant whose placement names a server that
	// is not among those given to [New], or cannot be read.
	ErrPlacement = errors.New("cache: no such place")
	// ErrQuota is returned for a command that would take a tenant over its
	// quota. Nothing was sent. See [QuotaError].
	ErrQuota = errors.New("cache: over quota")
	// ErrMiss is returned by [Get] for what is not in the cache.
	ErrMiss = errors.New("cache: miss")
	// ErrNone is what a loader returns for what does not exist, so that
	// [GetOrLoad] remembers it, and what it returns then.
	ErrNone = errors.New("cache: there is none")
	// ErrBusy is returned by [GetOrLoad] while Redis is down and as many loaders
	// run for the tenant as may.
	ErrBusy = errors.New("cache: too many loaders at work")
)

// CommandError says which command was refused, and why. It matches
// [ErrRefused].
type CommandError struct {
	// Name is the command's, in lower case; a subcommand comes behind a "|".
	Name string
	// Reason is for people.
	Reason string
}

// Error implements error.
func (e *CommandError) Error() string {
	return fmt.Sprintf("cache: %.40q is refused: %s", e.Name, e.Reason)
}

// Is reports whether target is [ErrRefused].
func (e *CommandError) Is(target error) bool { return target == ErrRefused }

// QuotaError says which quota a tenant would go over. It matches [ErrQuota].
type QuotaError struct {
	// ID and Slug are the tenant's.
	ID   tenant.ID
	Slug string
	// What is "keys", "bytes", "value" or "rate".
	What string
	// Limit is the quota: keys, bytes, or commands in a second.
	Limit int64
}

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("cache: tenant %s (%s) is over its quota of %s (%d)", e.ID, e.Slug, e.What, e.Limit)
}

// Is reports whether target is [ErrQuota].
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }
