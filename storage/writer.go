package storage

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// Upload is a file that is about to be written, as [Options.Accept] sees it.
type Upload struct {
	// Key names the file.
	Key string
	// Declared is the content type that the caller gave, or that gocloud has
	// found where the caller gave none. It may be empty.
	Declared string
	// Sniffed is the content type that the first 512 bytes look like, as
	// browsers judge it.
	Sniffed string
}

// sniffLength is what http.DetectContentType looks at.
const sniffLength = 512

// writer is one file being written: what the tenant writes goes, encrypted if
// there are keys, through the quota and on to the host's bucket.
type writer struct {
	ctx    context.Context
	cancel context.CancelFunc
	commit commit
	upload Upload
	opts   *driver.WriterOptions

	head    []byte // what came before the inner writer was opened
	inner   *blob.Writer
	content io.WriteCloser // writes to inner, through the quota
	in      int64
	err     error // what ended the writing
}

// NewTypedWriter implements [driver.Bucket].
func (w *wall) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	h, err := w.file(ctx, key, true)
	if err != nil {
		return nil, err
	}
	if err := called(opts.BeforeWrite); err != nil {
		h.release()
		return nil, err
	}
	out, err := w.buckets.write(ctx, h, key, contentType, opts)
	if err != nil {
		h.release()
		return nil, err
	}
	return out, nil
}

// write begins to write a file. Closing what it returns gives h back.
func (b *Buckets) write(ctx context.Context, h *home, key, contentType string, opts *driver.WriterOptions) (*writer, error) {
	r, err := b.begin(ctx, h.tenant)
	if err != nil {
		return nil, err
	}
	out := &writer{
		commit: commit{buckets: b, home: h, key: key, reserved: r},
		upload: Upload{Key: key, Declared: contentType}, opts: opts,
	}
	out.ctx, out.cancel = context.WithCancel(ctx)
	if b.opts.Accept == nil {
		if err := out.open(); err != nil {
			out.cancel()
			b.writers.leave(h.tenant.ID)
			return nil, out.commit.fail(ctx, err)
		}
	}
	return out, nil
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n := 0
	if w.content == nil {
		n = min(len(p), sniffLength-len(w.head))
		if w.head = append(w.head, p[:n]...); len(w.head) < sniffLength {
			return n, nil
		}
		if w.err = w.accept(); w.err != nil {
			return 0, w.err
		}
	}
	more, err := w.content.Write(p[n:])
	w.in += int64(more)
	w.err = err
	return n + more, err
}

// accept asks whether the file may be written, opens it, and writes its head.
func (w *writer) accept() error {
	w.upload.Sniffed = http.DetectContentType(w.head)
	if err := w.commit.buckets.opts.Accept(w.ctx, w.upload); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := w.open(); err != nil {
		return err
	}
	n, err := w.content.Write(w.head)
	w.in += int64(n)
	return err
}

// open opens the file in the host's bucket.
func (w *writer) open() error {
	b, h := w.commit.buckets, w.commit.home
	opts := &blob.WriterOptions{
		BufferSize: w.opts.BufferSize, MaxConcurrency: w.opts.MaxConcurrency,
		CacheControl: w.opts.CacheControl, ContentDisposition: w.opts.ContentDisposition,
		ContentEncoding: w.opts.ContentEncoding, ContentLanguage: w.opts.ContentLanguage,
		ContentType: w.upload.Declared, ContentMD5: w.opts.ContentMD5, Metadata: w.opts.Metadata,
		DisableContentTypeDetection: true, IfNotExist: w.opts.IfNotExist,
	}
	if !b.opts.Active && active(w.upload.Declared) {
		opts.ContentDisposition = "attachment"
	}
	if b.opts.Keys != nil {
		opts.ContentMD5 = nil // gocloud checks it; the store sees other bytes
	}
	inner, err := h.bucket.NewWriter(w.ctx, h.file(w.commit.key), opts)
	if err != nil {
		return err
	}
	w.inner = inner
	w.content = quotaWriter{w}
	if b.opts.Keys != nil {
		w.content, err = b.encrypt(w.ctx, h.tenant, w.commit.key, w.content)
	}
	return err
}

// active reports whether browsers run files of a content type, or may.
func active(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return true // the host does not know what a browser makes of it
	}
	switch kind {
	case "text/html", "image/svg+xml", "text/xml", "application/xml", "application/pdf+xml", "text/xsl",
		"text/javascript", "application/javascript", "application/x-shockwave-flash", "multipart/related", "message/rfc822":
		return true
	}
	return strings.HasSuffix(kind, "+xml") || strings.HasSuffix(kind, "javascript")
}

// quotaWriter is the part of a writer that its host's bucket is written by.
type quotaWriter struct{ *writer }

func (w quotaWriter) Write(p []byte) (int, error) {
	if err := w.commit.reserved.write(w.ctx, int64(len(p))); err != nil {
		return 0, err
	}
	return w.inner.Write(p)
}

// Close does nothing: the inner writer is closed when the file takes its place.
func (w quotaWriter) Close() error { return nil }

// Close implements io.Closer: the file takes its place, or nothing is left.
func (w *writer) Close() error {
	b, h := w.commit.buckets, w.commit.home
	defer h.release()
	defer b.writers.leave(h.tenant.ID)
	defer w.cancel()
	if w.content == nil && w.err == nil {
		w.err = w.accept() // of a file that is shorter than what is looked at
	}
	if w.err == nil {
		w.err = w.content.Close() // the last of what is encrypted
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	defer b.names.lock(h.file(w.commit.key))()
	if w.err != nil {
		w.abort()
		return w.commit.fail(w.ctx, w.err)
	}
	closed := false
	err := w.commit.run(w.ctx, 1, func() error {
		closed = true
		return w.inner.Close()
	})
	if !closed {
		w.abort()
	}
	b.count(w.ctx, h.tenant, Traffic{Writes: 1, In: w.in})
	return err
}

// abort makes the host's bucket forget what was written.
func (w *writer) abort() {
	w.cancel()
	if w.inner != nil {
		_ = w.inner.Close() // fails, because the context has ended
	}
}
