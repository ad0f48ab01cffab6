package storage

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// writer is one file being written: what the tenant writes goes, encrypted if
// there are keys, through the quota and on to the host's bucket.
type writer struct {
	ctx    context.Context
	cancel context.CancelFunc
	commit commit
	kind   string // the content type that was declared
	opts   *driver.WriterOptions

	watched func() bool // ends the watch over the context

	mu      sync.Mutex
	head    []byte // what came before the inner writer was opened
	inner   *shelfWriter
	content io.WriteCloser // writes to inner, through the quota
	waiting []byte         // for the quota
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
	r, err := b.reserve(ctx, h.tenant)
	if err != nil {
		return nil, err
	}
	out := &writer{
		commit: commit{buckets: b, home: h, key: key, reserved: r},
		kind:   contentType, opts: opts,
	}
	out.ctx, out.cancel = context.WithCancel(ctx)
	if b.opts.Accept == nil {
		if err := out.open(); err != nil {
			out.abort()
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
	if err := w.commit.buckets.accept(w.ctx, w.commit.key, w.kind, w.head); err != nil {
		return err
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
		ContentType: w.kind, Metadata: w.opts.Metadata,
		DisableContentTypeDetection: true, IfNotExist: w.opts.IfNotExist,
	}
	saved := strings.HasPrefix(strings.ToLower(strings.TrimSpace(w.opts.ContentDisposition)), "attachment")
	if !saved && !b.rules.inline(b, w.kind) {
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

// reserveStep is how much is gathered before it is reserved and passed on, so
// that a shared ledger is not asked for each few kilobytes. Nothing is reserved
// ahead, which near the quota would keep others from what they may have.
const reserveStep = 256 << 10

// quotaWriter is the part of a writer that its host's bucket is written by.
type quotaWriter struct{ *writer }

func (w quotaWriter) Write(p []byte) (int, error) {
	if w.commit.reserved != nil {
		if len(w.waiting)+len(p) < reserveStep {
			w.waiting = append(w.waiting, p...)
			return len(p), nil
		}
		if err := w.flush(len(p)); err != nil {
			return 0, err
		}
	}
	return w.inner.Write(p)
}

// flush reserves what waits, and n bytes more, and passes on what waits.
func (w quotaWriter) flush(n int) error {
	if err := w.commit.reserved.write(w.ctx, int64(len(w.waiting)+n)); err != nil || len(w.waiting) == 0 {
		return err
	}
	_, err := w.inner.Write(w.waiting)
	w.waiting = w.waiting[:0]
	return err
}

// Close passes on what waits. The inner writer is closed when the file takes its
// place.
func (w quotaWriter) Close() error { return w.flush(0) }

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
	defer w.cancel()
	if err == nil && !h.byHost { // whose work is inside already
		if err = b.writers.enter(w.ctx, h.tenant.ID); err == nil {
			defer b.writers.leave(h.tenant.ID)
		}
	}
	if err != nil {
		w.abort()
		w.err = w.commit.fail(w.ctx, err)
		return
	}
	defer b.names.lock(h.file(w.commit.key))()
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
