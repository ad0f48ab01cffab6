// Package fencing carries the right of a worker to what it works on, from the
// engine that gave it to whatever the worker changes.
package fencing

import "context"

// Token is a worker's right to an operation.
type Token struct {
	// Subject names what is worked on: whoever works on the same has the same,
	// and a higher or lower number.
	Subject [16]byte
	// Number rises with each worker that takes over.
	Number int64
}

// key is where a context has its token.
type key struct{}

// NewContext returns a context that carries a token.
func NewContext(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, key{}, t)
}

// FromContext returns the token that ctx carries, if it does.
func FromContext(ctx context.Context) (Token, bool) {
	t, ok := ctx.Value(key{}).(Token)
	return t, ok
}
