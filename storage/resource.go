package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/tenant"
)

// Usage is what a tenant has stored.
type Usage struct {
	// Files and Bytes are what the tenant sees, in bytes as stored.
	Files, Bytes int64
	// TrashFiles and TrashBytes are what can still be brought back.
	TrashFiles, TrashBytes int64
}

// Amount is all of it together, as quotas count it.
func (u Usage) Amount() Amount { return Amount{u.Bytes + u.TrashBytes, u.Files + u.TrashFiles} }

// Provision makes the place where t's files will be, and makes sure that it can
// be written to and read. What is there already is adopted, so that Provision
// can be repeated after a crash. A bucket of t's own needs an [Account] that is
// a [Maker], unless the host has made it.
func (b *Buckets) Provision(ctx context.Context, t tenant.Tenant) error {
	p, s, err := b.locate(ctx, t)
	if err != nil {
		return err
	}
	if maker, ok := s.Account.(Maker); ok && p.Bucket != "" {
		if err := maker.Create(ctx, p.Bucket); err != nil {
			return fmt.Errorf("storage: making the bucket of tenant %s: %w", t.ID, err)
		}
	}
	h, err := b.settle(ctx, t, p, s)
	if err != nil {
		return err
	}
	defer h.release()
	if err := h.probe(ctx, h); err != nil {
		return fmt.Errorf("storage: trying the bucket of tenant %s: %w", t.ID, err)
	}
	return nil
}

// errElsewhere is what probe returns when what was written here is not there.
var errElsewhere = errors.New("storage: what was written cannot be read")

// probe writes a file here, and reads it there.
func (h *home) probe(ctx context.Context, there *home) error {
	name, text := h.root+probeArea+rand.Text(), []byte(rand.Text())
	if err := h.bucket.WriteAll(ctx, name, text); err != nil {
		return err
	}
	got, err := there.bucket.ReadAll(ctx, name)
	if gcerrors.Code(err) == gcerrors.NotFound || err == nil && string(got) != string(text) {
		err = errElsewhere
	}
	return errors.Join(err, h.bucket.Delete(ctx, name))
}

// Deprovision ends t's files for good, the trash too, and the bucket if it is
// t's own and the [Account] is a [Maker]. It may be repeated after a crash. As
// with [Buckets.Erase], t should not be active.
func (b *Buckets) Deprovision(ctx context.Context, t tenant.Tenant) error {
	p, s, err := b.locate(ctx, t)
	if err != nil {
		return err
	}
	maker, ok := s.Account.(Maker)
	if p.Bucket == "" || !ok {
		return b.Erase(ctx, t)
	}
	// A bucket that is gone cannot be told from one that cannot be reached, so
	// it is made again to be emptied.
	if err := maker.Create(ctx, p.Bucket); err != nil {
		return fmt.Errorf("storage: ending the bucket of tenant %s: %w", t.ID, err)
	}
	if err := b.Erase(ctx, t); err != nil {
		return err
	}
	b.open.drop(p)
	if err := maker.Remove(ctx, p.Bucket); err != nil {
		return fmt.Errorf("storage: removing the bucket of tenant %s: %w", t.ID, err)
	}
	return nil
}

// Erase removes all that t has, the trash too, whatever [Options.Retain] says:
// whoever calls it has decided that. The bucket stays. It may be repeated after
// a crash. In this process files wait with taking their place meanwhile; what
// is being written comes after it if t may still write, so t should not be
// active.
func (b *Buckets) Erase(ctx context.Context, t tenant.Tenant) error {
	reopen, err := b.writers.shut(ctx, t.ID)
	if err != nil {
		return err
	}
	defer reopen()
	h, err := b.at(ctx, t)
	if err != nil {
		return err
	}
	defer h.release()
	if err := h.empty(ctx); err != nil {
		return fmt.Errorf("storage: erasing tenant %s: %w", t.ID, err)
	}
	return b.counted(ctx, t, Amount{})
}

// empty removes all that is below the root.
func (h *home) empty(ctx context.Context) error {
	return h.bucket.each(ctx, h.root, func(o *blob.ListObject) error {
		err := h.bucket.Delete(ctx, o.Key)
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil
		}
		return err
	})
}

// Usage lists all that t has. It asks the store for every thousandth file; what
// is asked for often is better taken from the [Ledger].
func (b *Buckets) Usage(ctx context.Context, t tenant.Tenant) (u Usage, err error) {
	h, err := b.at(ctx, t)
	if err != nil {
		return u, err
	}
	defer h.release()
	err = h.bucket.files(ctx, h.root, func(o *blob.ListObject) error {
		switch {
		case strings.HasPrefix(o.Key, h.root+filesArea):
			u.Files++
			u.Bytes += o.Size
		case strings.HasPrefix(o.Key, h.root+trashArea):
			u.TrashFiles++
			u.TrashBytes += o.Size
		}
		return nil
	})
	return u, err
}

// Used returns what the [Ledger] says that t has, without asking the store. It
// fails with [ErrUncounted] for a tenant that has not written since the ledger
// began, and is of use only where there is a quota.
func (b *Buckets) Used(ctx context.Context, t tenant.Tenant) (Amount, error) {
	return b.opts.Ledger.Used(ctx, t.ID)
}
