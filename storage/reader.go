package storage

import (
	"context"
	"io"

	"gocloud.dev/blob/driver"

	"github.com/partywall/partywall/tenant"
)

// reader is one file, or a part of it, being read.
type reader struct {
	buckets *Buckets
	tenant  tenant.Tenant
	ctx     context.Context
	attrs   driver.ReaderAttributes

	content io.Reader
	close   func() error
	out     int64
}

// NewRangeReader implements [driver.Bucket].
func (w *wall) NewRangeReader(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (driver.Reader, error) {
	h, err := w.file(ctx, key, false)
	if err != nil {
		return nil, err
	}
	if err := w.buckets.rules.callback(opts.BeforeRead); err != nil {
		h.release()
		return nil, err
	}
	r, err := w.buckets.read(ctx, h, h.object(key), offset, length)
	if err != nil {
		h.release()
		return nil, err
	}
	return r, nil
}

// read opens a part of a file of h's. Closing the reader gives h back.
func (b *Buckets) read(ctx context.Context, h *home, o object, offset, length int64) (*reader, error) {
	if b.opts.Keys != nil {
		return b.decrypt(ctx, h, o, offset, length)
	}
	inner, err := h.bucket.NewRangeReader(ctx, o.name, offset, length)
	if err != nil {
		return nil, err
	}
	return &reader{
		buckets: b, tenant: h.tenant, ctx: ctx, content: inner,
		attrs: driver.ReaderAttributes{ContentType: inner.ContentType(), ModTime: inner.ModTime(), Size: inner.Size()},
		close: func() error {
			defer h.release()
			return inner.Close()
		},
	}, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.content.Read(p)
	r.out += int64(n)
	return n, err
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.buckets.count(r.ctx, r.tenant, Traffic{Reads: 1, Out: r.out})
	return r.close()
}

// Attributes implements [driver.Reader].
func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }

// As implements [driver.Reader]: the host's reader is not given out.
func (r *reader) As(any) bool { return false }
