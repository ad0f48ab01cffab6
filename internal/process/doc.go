// Package process runs servers as children that cannot outlive their parent.
//
// It holds what package pgserver and package pgbouncer share: giving up root,
// dying with the parent even when that is killed with SIGKILL, private
// temporary folders that a later run sweeps, free ports, and the tail of a
// log. It is for demos and tests, never linked by a library package.
package process
