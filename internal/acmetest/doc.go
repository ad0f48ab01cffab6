// Package acmetest runs a private certificate authority, Pebble of Let's
// Encrypt, with a DNS that the test writes, for tests.
//
// Pebble is strict, refuses one nonce in twenty, and asks the private DNS for
// every name, which is at 127.0.0.1 unless the test says otherwise. It looks
// for challenges at two ports that the test's own server listens on.
package acmetest
