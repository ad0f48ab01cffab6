// Package storagetest has what tests of package storage, and of the accounts
// that it works on, are made of: [Run], the conformance kit.
package storagetest

import _ "github.com/johannesboyne/gofakes3"
