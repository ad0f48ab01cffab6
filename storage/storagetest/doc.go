// Package storagetest has what tests of package storage, and of the accounts
// that it works on, are made of: [Run], the conformance kit for a
// [storage.Maker]; [Attacks] and what they are tried on; a registry and an
// account in memory.
package storagetest
