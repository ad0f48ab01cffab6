package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/tenant"
)

// ErrLate is returned by [Buckets.Move] when files came to the old place after
// its last look there: a process wrote that had not heard that the tenant is
// not active. They are left where they are.
var ErrLate = errors.New("storage: files came to the old place during the move")

// Move says where from and where to a tenant's files go.
type Move struct {
	// From and To are the places. An empty store is the default one.
	From, To Place
	// Switch has the catalog say that the tenant is at To, with a new epoch. It
	// is called when all files are there and have been read back. Required.
	Switch func(ctx context.Context, t tenant.Tenant) error
}

// Move takes a tenant's files, the trash too, from one place to another: copies
// them, reads every copy back and compares its hash, switches, and removes them
// from where they were. The tenant must not be active, so that nobody writes;
// it can read all the time if the host lets it.
//
// It can be called again after whatever has ended it, a kill included, with the
// same places, and goes on where it was: what has been copied is compared and
// not copied again, and once the catalog says To, only the cleaning up is left.
func (b *Buckets) Move(ctx context.Context, id tenant.ID, m Move) error {
	t, err := b.tenants.Lookup(ctx, tenant.ByID(id))
	if err != nil {
		return err
	}
	reopen, err := b.writers.shut(ctx, id)
	if err != nil {
		return err
	}
	defer reopen()
	now, _, err := b.locate(ctx, t)
	if err != nil {
		return err
	}
	m.From, m.To = b.orDefault(m.From), b.orDefault(m.To)
	switch {
	case m.Switch == nil:
		return errors.New("storage: Move without Switch")
	case m.From == m.To:
		return fmt.Errorf("%w: tenant %s is to be moved to where it is", ErrRefused, id)
	case now != m.From && now != m.To:
		return fmt.Errorf("%w: tenant %s is at %q, and to be moved from %q to %q", ErrRefused, id, now, m.From, m.To)
	case now == m.From && t.Status.Writable():
		return fmt.Errorf("%w: tenant %s is active; a move needs it under maintenance", ErrRefused, id)
	}
	if err := b.move(ctx, t, m, now == m.To); err != nil {
		return fmt.Errorf("storage: moving tenant %s from %q to %q: %w", id, m.From, m.To, err)
	}
	return nil
}

func (b *Buckets) orDefault(p Place) Place {
	if p.Store == "" {
		p.Store = b.opts.Default
	}
	return p
}

// move does what is left to do.
func (b *Buckets) move(ctx context.Context, t tenant.Tenant, m Move, switched bool) error {
	from, err := b.visit(ctx, t, m.From)
	if err != nil {
		return err
	}
	defer from.release()
	to, err := b.visit(ctx, t, m.To)
	if err != nil {
		return err
	}
	defer to.release()
	// Two names may lead to one bucket, and cleaning up would end all.
	if err := to.probe(ctx, from); !errors.Is(err, errElsewhere) {
		return errors.Join(err, fmt.Errorf("%w: the places are one, or cannot be told apart", ErrRefused))
	}
	if !switched {
		if err := carry(ctx, from, to); err != nil {
			return err
		}
		if err := m.Switch(ctx, t); err != nil {
			return err
		}
	}
	return leave(ctx, from, to)
}

// visit opens a place where t is, or will be.
func (b *Buckets) visit(ctx context.Context, t tenant.Tenant, p Place) (*home, error) {
	s, err := b.store(ctx, t, p)
	if err != nil {
		return nil, err
	}
	return b.settle(ctx, t, p, s)
}

// mark is the file that says up to when the old place has been looked at, by
// the old place's own clock.
func (h *home) mark() string { return h.root + "moved" }

// carry makes the new place the same as the old one, and leaves the mark.
func carry(ctx context.Context, from, to *home) error {
	var newest time.Time
	kept := map[string]bool{to.mark(): true, from.mark(): true}
	err := from.bucket.files(ctx, from.root, func(o *blob.ListObject) error {
		if o.Key == from.mark() {
			return nil // of the move that brought the tenant here
		}
		kept[o.Key] = true
		if o.ModTime.After(newest) {
			newest = o.ModTime
		}
		return same(ctx, from, to, o)
	})
	if err != nil {
		return err
	}
	// What an earlier attempt has copied and is not there any more would come
	// back to life.
	err = to.bucket.each(ctx, to.root, func(o *blob.ListObject) error {
		if kept[o.Key] {
			return nil
		}
		return to.bucket.Delete(ctx, o.Key)
	})
	if err != nil {
		return err
	}
	return to.bucket.WriteAll(ctx, to.mark(), []byte(newest.UTC().Format(time.RFC3339Nano)))
}

// same copies one file, unless the same is there already, and makes sure that
// it is.
func same(ctx context.Context, from, to *home, o *blob.ListObject) error {
	there, err := to.bucket.Attributes(ctx, o.Key)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	var want []byte
	if err == nil && there.Size == o.Size {
		want, err = hash(ctx, from, o.Key)
	} else {
		want, err = transfer(ctx, from, to, o.Key)
	}
	if err != nil {
		return err
	}
	got, err := hash(ctx, to, o.Key)
	if err != nil || bytes.Equal(got, want) {
		return err
	}
	if want, err = transfer(ctx, from, to, o.Key); err != nil {
		return err
	}
	if got, err = hash(ctx, to, o.Key); err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%w: a copy differs from what was copied", ErrCorrupt)
	}
	return err
}

// transfer copies one file with all that is said of it, and returns its hash.
func transfer(ctx context.Context, from, to *home, name string) ([]byte, error) {
	a, err := from.bucket.Attributes(ctx, name)
	if err != nil {
		return nil, err
	}
	in, err := from.bucket.NewRangeReader(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := to.bucket.NewWriter(ctx, name, &blob.WriterOptions{
		CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition, ContentEncoding: a.ContentEncoding,
		ContentLanguage: a.ContentLanguage, ContentType: a.ContentType, Metadata: a.Metadata,
		DisableContentTypeDetection: true,
	})
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	sum := sha256.New()
	if _, err = io.Copy(out, io.TeeReader(in, sum)); err != nil {
		cancel() // or Close would keep the half
	}
	return sum.Sum(nil), errors.Join(err, out.Close(), in.Close())
}

// hash reads one file.
func hash(ctx context.Context, h *home, name string) ([]byte, error) {
	in, err := h.bucket.NewRangeReader(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, in)
	return sum.Sum(nil), errors.Join(err, in.Close())
}

// leave removes from the old place what has been carried to the new one. A
// place without the mark has been left already.
func leave(ctx context.Context, from, to *home) error {
	text, err := to.bucket.ReadAll(ctx, to.mark())
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	seen, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return fmt.Errorf("%w: the mark of the move: %w", ErrCorrupt, err)
	}
	late := 0
	err = from.bucket.each(ctx, from.root, func(o *blob.ListObject) error {
		if o.ModTime.After(seen) && o.Key != from.mark() {
			late++
			return nil
		}
		return from.bucket.Delete(ctx, o.Key)
	})
	if err == nil && late > 0 {
		err = fmt.Errorf("%w: %d", ErrLate, late)
	}
	if err != nil {
		return err
	}
	return to.bucket.Delete(ctx, to.mark())
}
