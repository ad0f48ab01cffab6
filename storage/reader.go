package storage

import (
	"context"
	"errors"
	"io"

	"gocloud.dev/blob/driver"
)

// reader is one file, or a part of it, being read.
type reader struct {
	attrs   driver.ReaderAttributes
	content io.Reader
	close   func() error
	over    func(out int64) // called once closed, if there is one
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
	r.over = func(out int64) {
		h.release()
		w.buckets.count(ctx, h.tenant, Traffic{Reads: 1, Out: out})
	}
	return r, nil
}

// read opens a part of an object of h's.
func (b *Buckets) read(ctx context.Context, h *home, o object, offset, length int64) (*reader, error) {
	if b.opts.Keys != nil {
		return b.decrypt(ctx, h, o, offset, length)
	}
	inner, err := h.bucket.NewRangeReader(ctx, o.name, offset, length)
	if err != nil {
		return nil, err
	}
	return &reader{
		content: inner, close: inner.Close,
		attrs: driver.ReaderAttributes{ContentType: inner.ContentType(), ModTime: inner.ModTime(), Size: inner.Size()},
	}, nil
}

// head reads what [Options.Accept] is shown of an object.
func (b *Buckets) head(ctx context.Context, h *home, o object) ([]byte, error) {
	in, err := b.read(ctx, h, o, 0, sniffLength)
	if err != nil {
		return nil, err
	}
	head, err := io.ReadAll(in)
	return head, errors.Join(err, in.Close())
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.content.Read(p)
	r.out += int64(n)
	return n, err
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.over != nil {
		defer r.over(r.out)
	}
	return r.close()
}

// Attributes implements [driver.Reader].
func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }

// As implements [driver.Reader]: the host's reader is not given out.
func (r *reader) As(any) bool { return false }
