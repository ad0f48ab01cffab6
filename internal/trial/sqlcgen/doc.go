// Package sqlcgen is what sqlc makes of a small schema and its queries, as a
// host would have it: unchanged, and without a word of tenants.
package sqlcgen
