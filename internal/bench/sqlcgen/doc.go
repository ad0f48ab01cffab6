// Package sqlcgen is what sqlc makes of the bench's statements, with the wall
// and without one.
package sqlcgen
