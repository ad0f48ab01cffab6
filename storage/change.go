package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"gocloud.dev/gcerrors"
)

// settleTime bounds what has to be done after a caller's context has ended: to
// give back what was reserved, to see what a failed write has left.
const settleTime = 10 * time.Second

// former is the file that a change takes away or replaces.
type former struct {
	exists bool
	size   int64
	etag   string
	at     time.Time
	trash  string // where it was copied to; empty if it is gone
}

// amount is what is gone with it.
func (f former) amount() Amount {
	if !f.exists || f.trash != "" {
		return Amount{}
	}
	return Amount{Bytes: f.size, Files: 1}
}

// copied is what is there on top because of the copy in the trash.
func (f former) copied() Amount {
	if f.trash == "" {
		return Amount{}
	}
	return Amount{Bytes: f.size, Files: 1}
}

// still makes sure that what a write began with holds: its tenant is where it
// was and may write. What passes here and is then overtaken by a move is what
// [Buckets.Move] waits for.
func (b *Buckets) still(ctx context.Context, h *home) error {
	if h.byHost {
		return nil
	}
	now, err := b.current(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	then := h.tenant
	if !b.rules.writable(ctx, now) || now.Number != then.Number ||
		now.Placement.Bucket != then.Placement.Bucket || now.Placement.Epoch != then.Placement.Epoch {
		return fmt.Errorf("%w: tenant %s", ErrMoved, then.ID)
	}
	return nil
}

// makeWay looks at the file that a change is about to take away, asks whether
// it may, and puts it into the trash if there is one. The file's name is locked.
// Where nobody wants to know, the store is not asked.
func (b *Buckets) makeWay(ctx context.Context, h *home, key string) (former, error) {
	if b.opts.Quota == nil && b.opts.Retain == nil && b.opts.Trash == 0 {
		return former{}, nil
	}
	a, err := h.bucket.Attributes(ctx, h.file(key))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return former{}, nil
	}
	if err != nil {
		return former{}, err
	}
	f := former{exists: true, size: a.Size, etag: a.ETag, at: a.ModTime}
	if b.opts.Retain != nil {
		if err := b.opts.Retain(ctx, h.tenant, key); err != nil {
			return f, fmt.Errorf("%w: %w", ErrRetained, err)
		}
	}
	if b.opts.Trash > 0 {
		f.trash = h.trashed(key, b.opts.Clock())
		return f, h.bucket.Copy(ctx, f.trash, h.file(key))
	}
	return f, nil
}

// change makes one change of a file that needs no stream. fn has it to itself,
// and the object also, if that is not empty.
func (b *Buckets) change(ctx context.Context, h *home, key, also string, fn func(*commit) error) error {
	r, err := b.reserve(ctx, h.tenant)
	if err != nil {
		return err
	}
	c := &commit{buckets: b, home: h, key: key, reserved: r}
	if err := b.writers.enter(ctx, h.tenant.ID); err != nil {
		return c.fail(ctx, err)
	}
	defer b.writers.leave(h.tenant.ID)
	defer b.names.lock(h.file(key), also)()
	return fn(c)
}

// commit is the moment at which a change takes place. The file's name is
// locked.
type commit struct {
	buckets  *Buckets
	home     *home
	key      string
	reserved *reservation
}

// run makes way, does it, and settles. files is how many the change adds when
// it replaces none.
func (c *commit) run(ctx context.Context, files int64, do func() error) error {
	if err := c.buckets.rules.still(c.buckets, ctx, c.home); err != nil {
		return c.fail(ctx, err)
	}
	old, err := c.buckets.makeWay(ctx, c.home, c.key)
	if err == nil {
		err = c.reserved.more(ctx, Amount{Files: files})
	}
	if err == nil {
		return c.settle(ctx, old, do())
	}
	c.drop(ctx, old.trash)
	return c.fail(ctx, err)
}

// settle ends a change that has been tried. An error does not say that nothing
// happened: the answer may have been lost on its way. So the store is asked.
// Where it does not answer, and where the request may still be on its way,
// what is reserved stays so, and a copy in the trash stays there.
func (c *commit) settle(ctx context.Context, old former, err error) error {
	if err != nil && c.reserved == nil && old.trash == "" {
		return err // nobody wants to know
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	happened, askErr := err == nil, error(nil)
	if !happened {
		happened, askErr = c.happened(ctx, old)
	}
	change := old.amount().negative()
	switch {
	case askErr != nil || !happened && unanswered(err):
		change = old.copied()
		c.warn(ctx, "storage: nobody knows whether a change takes place; recount the tenant", cmp.Or(askErr, err))
	case !happened:
		c.drop(ctx, old.trash)
		return c.fail(ctx, err)
	}
	if keepErr := c.reserved.end(ctx, change); keepErr != nil {
		c.warn(ctx, "storage: the ledger was not told of a change; recount the tenant", keepErr)
	}
	return err
}

// unanswered reports whether a store may still do what failed by err: nobody
// has waited for its answer, or the connection was lost.
func unanswered(err error) bool {
	var network net.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// happened looks at what a change that failed has left.
func (c *commit) happened(ctx context.Context, old former) (bool, error) {
	a, err := c.home.bucket.Attributes(ctx, c.home.file(c.key))
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return old.exists, nil
	case err != nil:
		return false, err
	}
	return !old.exists || a.ETag != old.etag || a.Size != old.size || !a.ModTime.Equal(old.at), nil
}

// warn tells the log of what the caller cannot be told.
func (c *commit) warn(ctx context.Context, what string, err error) {
	c.buckets.opts.Logger.WarnContext(ctx, what, "tenant", c.home.tenant.ID, "error", err)
}

// drop removes a copy that was made for nothing. If it stays, a sweep takes it.
func (c *commit) drop(ctx context.Context, name string) {
	if name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	_ = c.home.bucket.Delete(ctx, name) // the change's own error counts
}

// fail gives back what was reserved, and returns err.
func (c *commit) fail(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if undo := c.reserved.undo(ctx); undo != nil {
		c.warn(ctx, "storage: a reservation was not given back; recount the tenant", undo)
	}
	return err
}

// take copies an object of the tenant's over the file.
func (c *commit) take(ctx context.Context, src object) error {
	size, err := c.admit(ctx, src)
	if err == nil {
		err = c.reserved.write(ctx, size)
	}
	if err != nil {
		return c.fail(ctx, err)
	}
	return c.run(ctx, 1, func() error { return c.home.bucket.Copy(ctx, c.home.file(c.key), src.name) })
}

// admit asks whether an object may be copied over the file, as of an upload,
// and returns how large it is. Where nobody wants to know, the store is not
// asked.
func (c *commit) admit(ctx context.Context, src object) (int64, error) {
	accept := c.buckets.opts.Accept != nil
	if !accept && c.reserved == nil {
		return 0, nil
	}
	a, err := c.home.bucket.Attributes(ctx, src.name)
	if err != nil {
		return 0, err
	}
	if !accept {
		return a.Size, nil
	}
	var head []byte
	if a.Size > 0 { // stores refuse a part of nothing
		if head, err = c.buckets.head(ctx, c.home, src); err != nil {
			return 0, err
		}
	}
	return a.Size, c.buckets.accept(ctx, c.key, a.ContentType, head)
}

// copy copies a file of h to another name of h's, within the store.
func (b *Buckets) copy(ctx context.Context, h *home, dst, src string) error {
	return b.change(ctx, h, dst, h.file(src), func(c *commit) error { return c.take(ctx, h.object(src)) })
}

// delete removes a file of h's.
func (b *Buckets) delete(ctx context.Context, h *home, key string) error {
	return b.change(ctx, h, key, "", func(c *commit) error {
		return c.run(ctx, 0, func() error { return h.bucket.Delete(ctx, h.file(key)) })
	})
}
