package chain

import (
	"context"
	"errors"
	"strings"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// shared is the bucket of the stores that have none of their own, each below a
// prefix of its own.
const shared = "stores"

// openFiles opens the buckets of all stores. They are in a folder here; with
// s3bucket's account for the depot nothing else would change.
func (c *Chain) openFiles(ctx context.Context, config Config) error {
	depot, err := newDepot(config.Folder, config.FilesPath)
	if err != nil {
		return err
	}
	if err := depot.Create(ctx, shared); err != nil {
		return err
	}
	c.Depot = depot
	c.Files, err = storage.New(c.Tenants, storage.Stores{server: {Account: depot, Shared: shared}}, &storage.Options{
		Quota: quota, Accept: accept, Logger: config.Logger,
	})
	return err
}

// quota is what one store may have: some hundred covers of half a megabyte.
func quota(tenant.Tenant) storage.Quota { return storage.Quota{Bytes: 64 << 20, File: 512 << 10} }

var errNoPicture = errors.New("chain: a cover is a PNG or a JPEG, and says so")

// accept looks at what visitors upload. All else the pages write themselves.
func accept(_ context.Context, u storage.Upload) error {
	picture := u.Sniffed == "image/png" || u.Sniffed == "image/jpeg"
	if strings.HasPrefix(u.Key, "covers/") && (!picture || u.Declared != u.Sniffed) {
		return errNoPicture
	}
	return nil
}
