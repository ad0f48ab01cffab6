package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

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

	watched func() bool // ends the watch over the context

	mu      sync.Mutex
	head    []byte // what came before the inner writer was opened
	inner   *shelfWriter
	content io.WriteCloser // writes to inner, through the quota
	in      int64
	ended   bool
	err     error // how it ended
}

// errEnded is returned by a writer that is used after its end.
var errEnded = errors.New("storage: write after the end of a file")

// NewTypedWriter implements [driver.Bucket].
func (w *wall) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	h, err := w.file(ctx, key, true)
	if err != nil {
		return nil, err
	}
	if err := w.buckets.rules.callback(opts.BeforeWrite); err != nil {
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
			out.abort()
			b.writers.leave(h.tenant.ID)
			return nil, out.commit.fail(ctx, err)
		}
	}
	out.mu.Lock() // the context may have ended already
	defer out.mu.Unlock()
	out.watched = context.AfterFunc(ctx, out.abandoned)
	return out, nil
}

// Write implements io.Writer. The first error is the end of the write: gocloud
// does not close a writer whose first bytes fail.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, cmp.Or(w.err, errEnded)
	}
	n, err := w.write(p)
	if err != nil {
		w.end(err)
	}
	return n, err
}

// write is Write, while the file is open.
func (w *writer) write(p []byte) (n int, err error) {
	if w.content == nil {
		n = min(len(p), sniffLength-len(w.head))
		if w.head = append(w.head, p[:n]...); len(w.head) < sniffLength {
			return n, nil
		}
		if err := w.accept(); err != nil {
			return 0, err
		}
	}
	more, err := w.content.Write(p[n:])
	w.in += int64(more)
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

// open opens the file in the host's bucket. ContentMD5 stays here: gocloud
// compares it before this writer is closed, and would hash each byte once more
// below; and of an encrypted file the store sees other bytes.
func (w *writer) open() error {
	b, h := w.commit.buckets, w.commit.home
	opts := &blob.WriterOptions{
		BufferSize: w.opts.BufferSize, MaxConcurrency: w.opts.MaxConcurrency,
		CacheControl: w.opts.CacheControl, ContentDisposition: w.opts.ContentDisposition,
		ContentEncoding: w.opts.ContentEncoding, ContentLanguage: w.opts.ContentLanguage,
		ContentType: w.upload.Declared, Metadata: w.opts.Metadata,
		DisableContentTypeDetection: true, IfNotExist: w.opts.IfNotExist,
	}
	saved := strings.HasPrefix(strings.ToLower(strings.TrimSpace(w.opts.ContentDisposition)), "attachment")
	if !saved && !b.rules.inline(b, w.upload.Declared) {
		opts.ContentDisposition = "attachment"
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
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return cmp.Or(w.err, errEnded)
	}
	var err error
	if w.content == nil {
		err = w.accept() // of a file that is shorter than what is looked at
	}
	if err == nil {
		err = w.content.Close() // the last of what is encrypted
	}
	w.end(cmp.Or(err, w.ctx.Err()))
	return w.err
}

// abandoned is the end of a write whose context ends before it is closed.
func (w *writer) abandoned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.end(w.ctx.Err())
	}
}

// end is the end of the write, by the error given or by the file's taking its
// place. It gives back all that the write held.
func (w *writer) end(err error) {
	b, h := w.commit.buckets, w.commit.home
	w.ended = true
	w.watched()
	defer h.release()
	defer b.writers.leave(h.tenant.ID)
	defer w.cancel()
	defer b.names.lock(h.file(w.commit.key))()
	if err != nil {
		w.abort()
		w.err = w.commit.fail(w.ctx, err)
		return
	}
	closed := false
	w.err = w.commit.run(w.ctx, 1, func() error {
		closed = true
		return w.inner.Close()
	})
	if !closed {
		w.abort()
	}
	b.count(w.ctx, h.tenant, Traffic{Writes: 1, In: w.in})
}

// abort makes the host's bucket forget what was written.
func (w *writer) abort() {
	w.cancel()
	if w.inner != nil {
		_ = w.inner.Close() // fails, because the context has ended
	}
}
