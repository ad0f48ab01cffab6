// Package acmetest runs a private certificate authority, Pebble of Let's
// Encrypt, for tests.
//
// Pebble is strict, refuses one nonce in twenty, and asks the test's DNS for every
// name. It looks for challenges at two ports that the test's own server listens
// on.
package acmetest
