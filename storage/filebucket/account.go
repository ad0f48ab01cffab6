// Package filebucket keeps buckets of package storage in folders of a file
// system: for demos, tests, and hosts with one machine.
package filebucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

var _ storage.Maker = (*Account)(nil)

// Account is a folder, whose folders are buckets. All methods may be called at
// any time from any goroutine. Processes that share a folder share its buckets.
//
// A file system cannot have a file and a folder of one name: where there is a
// file "a", there can be no "a/b". Names may be as long as the file system
// allows, mostly 255 bytes between two slashes, and fileblob writes what is not a
// letter, a digit or in common use as several. Where case does not matter to
// the file system, it does not to keys.
type Account struct {
	folder string
	opts   Options
}

// Options are what [New] may be told. The zero value, and nil, are good.
type Options struct {
	// Signer makes and checks signed URLs, for a host that serves them itself;
	// see [fileblob.URLSignerHMAC]. Defaults to none, and there are none.
	Signer fileblob.URLSigner
}

// New returns the account of a folder, which it makes if it is not there.
// opts may be nil.
func New(folder string, opts *Options) (*Account, error) {
	a := &Account{folder: folder}
	if opts != nil {
		a.opts = *opts
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("filebucket: %w", err)
	}
	return a, nil
}

// Open implements [storage.Account].
func (a *Account) Open(_ context.Context, bucket string) (*blob.Bucket, error) {
	path, err := a.path(bucket)
	if err != nil {
		return nil, err
	}
	// Files are written beside their place: a temporary folder of the system's
	// may be on another disk, from where nothing can be moved in one step.
	return fileblob.OpenBucket(path, &fileblob.Options{NoTempDir: true, URLSigner: a.opts.Signer, DirFileMode: 0o700})
}

// Create implements [storage.Maker].
func (a *Account) Create(_ context.Context, bucket string) error {
	path, err := a.path(bucket)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("filebucket: %w", err)
	}
	return nil
}

// Remove implements [storage.Maker]. It fails for a bucket that has files.
func (a *Account) Remove(_ context.Context, bucket string) error {
	path, err := a.path(bucket)
	if err != nil {
		return err
	}
	if err := prune(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("filebucket: %w", err)
	}
	return nil
}

// prune removes a folder and the empty folders in it, which files have left
// behind.
func prune(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := prune(filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(path)
}

// path is where a bucket is: right in the folder, whatever it is called.
func (a *Account) path(bucket string) (string, error) {
	if err := tenant.ValidateName("bucket", bucket); err != nil {
		return "", fmt.Errorf("filebucket: %w", err)
	}
	return filepath.Join(a.folder, bucket), nil
}
