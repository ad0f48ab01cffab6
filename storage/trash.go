package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/tenant"
)

// trashOf is where all former versions of a file are. Its name is hashed, so
// that they can be listed, and no file is in the way of another's folder.
func (h *home) trashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return h.root + trashArea + hex.EncodeToString(sum[:16]) + "/"
}

// trashed is where a file goes that is deleted or replaced now.
func (h *home) trashed(key string, now time.Time) string {
	return h.trashOf(key) + fmt.Sprintf("%019d/", now.UnixNano()) + key
}

// deletedAt reads the time out of a name in the trash.
func deletedAt(name, area string) (time.Time, bool) {
	_, rest, _ := strings.Cut(strings.TrimPrefix(name, area), "/")
	digits, _, found := strings.Cut(rest, "/")
	nanos, err := strconv.ParseInt(digits, 10, 64)
	return time.Unix(0, nanos), found && err == nil
}

// Restore brings the file back that was last deleted or replaced under key,
// for the tenant that ctx belongs to. What is there now goes to the trash in
// its turn. It fails with [gcerrors.NotFound] if there is nothing to bring back.
func (b *Buckets) Restore(ctx context.Context, key string) error {
	t, err := b.current(ctx)
	if err != nil {
		return err
	}
	w := &wall{buckets: b, id: t.ID}
	h, err := w.file(ctx, key, true)
	if err != nil {
		return err
	}
	defer h.release()
	return b.change(ctx, h, key, "", func(c *commit) error {
		newest, err := h.newest(ctx, key)
		if err != nil {
			return c.fail(ctx, err)
		}
		if err := c.take(ctx, object{newest.Key, key}); err != nil {
			return err
		}
		if err := b.discard(ctx, h, newest.Key, newest.Size); err != nil {
			return fmt.Errorf("storage: the file was restored, and is in the trash too: %w", err)
		}
		return nil
	})
}

// newest finds what was last deleted or replaced under key.
func (h *home) newest(ctx context.Context, key string) (newest *blob.ListObject, err error) {
	err = h.bucket.files(ctx, h.trashOf(key), func(o *blob.ListObject) error {
		newest = o // they are listed in the order of time
		return nil
	})
	if err == nil && newest == nil {
		_, err = h.bucket.Attributes(ctx, h.trashed(key, time.Unix(0, 0))) // the store's own word for it
		err = fmt.Errorf("storage: nothing to restore: %w", err)
	}
	return newest, err
}

// discard removes a file from the trash, and from what its tenant has.
func (b *Buckets) discard(ctx context.Context, h *home, name string, size int64) error {
	err := h.bucket.Delete(ctx, name)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil // another sweep was first
	case err != nil || b.opts.Quota == nil:
		return err
	}
	return b.opts.Ledger.Reserve(ctx, h.tenant.ID, Amount{Bytes: -size, Files: -1}, Quota{})
}

// Sweep removes what has been in t's trash for longer than [Options.Trash], and
// returns how much that was. Hosts call it from time to time.
func (b *Buckets) Sweep(ctx context.Context, t tenant.Tenant) (swept Amount, err error) {
	h, err := b.at(ctx, t)
	if err != nil {
		return swept, err
	}
	defer h.release()
	if _, err := b.reserve(ctx, t); err != nil { // so that the ledger knows t
		return swept, err
	}
	if err := b.writers.enter(ctx, t.ID); err != nil {
		return swept, err
	}
	defer b.writers.leave(t.ID)
	area := h.root + trashArea
	limit := b.opts.Clock().Add(-b.opts.Trash)
	err = h.bucket.each(ctx, area, func(o *blob.ListObject) error {
		if at, ok := deletedAt(o.Key, area); !ok || at.After(limit) {
			return nil
		}
		if temporary(o.Key) {
			return h.bucket.Delete(ctx, o.Key) // which never counted
		}
		if err := b.discard(ctx, h, o.Key, o.Size); err != nil {
			return err
		}
		swept = swept.plus(Amount{Bytes: o.Size, Files: 1})
		return nil
	})
	return swept, err
}
