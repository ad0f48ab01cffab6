package storage

import (
	"context"
	"fmt"
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
	if !b.rules.writable(now.Status) || now.Number != then.Number ||
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

// change makes one change of a file that needs no stream: it lets the write in,
// makes way for it, lets do do it, and settles what it cost. add is what the
// change adds, nothing if it only takes away.
func (b *Buckets) change(ctx context.Context, h *home, key string, add Amount, do func() error) error {
	r, err := b.begin(ctx, h.tenant)
	if err != nil {
		return err
	}
	defer b.writers.leave(h.tenant.ID)
	defer b.names.lock(h.file(key))()
	c := &commit{buckets: b, home: h, key: key, reserved: r}
	if err := r.write(ctx, add.Bytes); err != nil {
		return c.fail(ctx, err)
	}
	return c.run(ctx, add.Files, do)
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
// happened: the answer may have been lost on its way. So the store is asked,
// and where it does not answer, what is reserved stays so.
func (c *commit) settle(ctx context.Context, old former, err error) error {
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	happened := err == nil
	if err != nil && (c.reserved != nil || old.trash != "") {
		var askErr error
		if happened, askErr = c.happened(detached, old); askErr != nil {
			c.warn(detached, "storage: nobody knows whether a change took place; recount the tenant", askErr)
			return err
		}
	}
	if !happened {
		c.drop(ctx, old.trash)
		return c.fail(ctx, err)
	}
	if keepErr := c.reserved.keep(detached, old.amount()); keepErr != nil {
		c.warn(detached, "storage: the ledger was not told of a change; recount the tenant", keepErr)
	}
	return err
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

// copy copies a file of h to another name of h's, within the store.
func (b *Buckets) copy(ctx context.Context, h *home, dst, src string) error {
	var add Amount
	if b.opts.Quota != nil {
		a, err := h.bucket.Attributes(ctx, h.file(src))
		if err != nil {
			return err
		}
		add = Amount{Bytes: a.Size, Files: 1}
	}
	return b.change(ctx, h, dst, add, func() error {
		return h.bucket.Copy(ctx, h.file(dst), h.file(src))
	})
}

// delete removes a file of h's.
func (b *Buckets) delete(ctx context.Context, h *home, key string) error {
	return b.change(ctx, h, key, Amount{}, func() error { return h.bucket.Delete(ctx, h.file(key)) })
}
