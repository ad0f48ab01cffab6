package storage

import (
	"context"
	"fmt"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/tenant"
)

// wall is one tenant's driver, on top of a bucket of the host's. All that a
// *blob.Bucket can do comes down to these methods; each finds out anew whose
// its context is, where that tenant is, and what it may do.
type wall struct {
	buckets *Buckets
	id      tenant.ID
}

// enter is how every method begins: it returns the tenant's home, to be
// released.
func (w *wall) enter(ctx context.Context, writes bool) (*home, error) {
	named, err := tenant.FromContext(ctx)
	if err == nil {
		err = ctx.Err() // not every store looks at it
	}
	if err != nil {
		return nil, err
	}
	if !w.buckets.rules.same(w.id, named.ID) {
		w.buckets.count(ctx, named, Traffic{Refused: 1})
		return nil, fmt.Errorf("%w: it is of %s, the context of %s", ErrOtherTenant, w.id, named.ID)
	}
	t, err := w.buckets.current(ctx)
	if err == nil && writes && !w.buckets.rules.writable(ctx, t) {
		err = tenant.NewStatusError(t)
	}
	if err != nil {
		return nil, w.refuse(ctx, named, err)
	}
	return w.buckets.at(ctx, t)
}

// file is enter for a call about one file.
func (w *wall) file(ctx context.Context, key string, writes bool) (*home, error) {
	h, err := w.enter(ctx, writes)
	if err != nil {
		return nil, err
	}
	if err := w.buckets.rules.key(key); err != nil {
		h.release()
		return nil, w.refuse(ctx, h.tenant, err)
	}
	return h, nil
}

// refuse counts what the wall turned away.
func (w *wall) refuse(ctx context.Context, t tenant.Tenant, err error) error {
	w.buckets.count(ctx, t, Traffic{Refused: 1})
	return err
}

// nothing is what callbacks are shown of the driver below: through its own
// types a call could be given another key.
func nothing(any) bool { return false }

// called runs a callback of the caller's.
func called(fn func(func(any) bool) error) error {
	if fn == nil {
		return nil
	}
	return fn(nothing)
}

// ErrorCode implements [driver.Bucket].
func (w *wall) ErrorCode(err error) gcerrors.ErrorCode { return code(err) }

// As implements [driver.Bucket]: the host's bucket is not given out.
func (w *wall) As(any) bool { return false }

// ErrorAs implements [driver.Bucket].
func (w *wall) ErrorAs(error, any) bool { return false }

// Close implements [driver.Bucket]. The host's bucket stays open.
func (w *wall) Close() error { return nil }

// Attributes implements [driver.Bucket].
func (w *wall) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	h, err := w.file(ctx, key, false)
	if err != nil {
		return nil, err
	}
	defer h.release()
	w.buckets.count(ctx, h.tenant, Traffic{Reads: 1})
	a, err := h.bucket.Attributes(ctx, h.file(key))
	if err != nil {
		return nil, err
	}
	out := &driver.Attributes{
		CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition, ContentEncoding: a.ContentEncoding,
		ContentLanguage: a.ContentLanguage, ContentType: a.ContentType, Metadata: a.Metadata,
		CreateTime: a.CreateTime, ModTime: a.ModTime, Size: a.Size, MD5: a.MD5, ETag: a.ETag,
	}
	if w.buckets.opts.Keys != nil {
		out.MD5 = nil // of what is stored, which is nobody's file
		out.Size = plainSize(a.Size)
	}
	return out, nil
}

// ListPaged implements [driver.Bucket].
func (w *wall) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	h, err := w.enter(ctx, false)
	if err != nil {
		return nil, err
	}
	defer h.release()
	if err := w.buckets.rules.prefix(opts.Prefix); err != nil {
		return nil, w.refuse(ctx, h.tenant, err)
	}
	if err := w.buckets.rules.callback(opts.BeforeList); err != nil {
		return nil, err
	}
	w.buckets.count(ctx, h.tenant, Traffic{Lists: 1})
	size := opts.PageSize
	if size == 0 {
		size = pageSize
	}
	token := opts.PageToken
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	objects, next, err := h.bucket.ListPage(ctx, token, size, &blob.ListOptions{
		Prefix: h.file(opts.Prefix), Delimiter: opts.Delimiter,
	})
	if err != nil {
		return nil, err
	}
	return w.page(h, objects, next)
}

// page hands on what was listed, under the tenant's own names.
func (w *wall) page(h *home, objects []*blob.ListObject, next []byte) (*driver.ListPage, error) {
	page := &driver.ListPage{NextPageToken: next}
	for _, o := range objects {
		key, mine := w.buckets.rules.mine(o.Key, h.file(""))
		if !mine {
			return nil, fmt.Errorf("%w: the store listed a file that is not of tenant %s", ErrRefused, h.tenant.ID)
		}
		if temporary(key) {
			continue
		}
		out := &driver.ListObject{Key: key, ModTime: o.ModTime, Size: o.Size, MD5: o.MD5, IsDir: o.IsDir}
		if w.buckets.opts.Keys != nil && !o.IsDir {
			out.MD5, out.Size = nil, plainSize(o.Size)
		}
		page.Objects = append(page.Objects, out)
	}
	return page, nil
}

// Copy implements [driver.Bucket]. Both files are the tenant's.
func (w *wall) Copy(ctx context.Context, dstKey, srcKey string, opts *driver.CopyOptions) error {
	h, err := w.file(ctx, srcKey, true)
	if err != nil {
		return err
	}
	defer h.release()
	if err := w.buckets.rules.key(dstKey); err != nil {
		return w.refuse(ctx, h.tenant, err)
	}
	if err := w.buckets.rules.callback(opts.BeforeCopy); err != nil {
		return err
	}
	w.buckets.count(ctx, h.tenant, Traffic{Writes: 1})
	if w.buckets.opts.Keys != nil {
		return w.recrypt(ctx, h, dstKey, srcKey)
	}
	return w.buckets.copy(ctx, h, dstKey, srcKey)
}

// Delete implements [driver.Bucket].
func (w *wall) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	h, err := w.file(ctx, key, true)
	if err != nil {
		return err
	}
	defer h.release()
	if err := w.buckets.rules.callback(opts.BeforeDelete); err != nil {
		return err
	}
	w.buckets.count(ctx, h.tenant, Traffic{Deletes: 1})
	return w.buckets.delete(ctx, h, key)
}
