package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// shelf is a bucket of the host's, as this package uses it for one tenant. Its
// methods are those of *blob.Bucket, but for their errors: see [storeError].
type shelf struct {
	inner   *blob.Bucket
	account Account
	name    string // of the bucket
	root    string // which no error may say
}

// storeError is an error of the store's. Drivers and clients put the names of
// objects into theirs, which are not the names that the tenant knows, and URLs
// of the store; so its text is what the innermost error says. The others can be
// had by [errors.As] and [gcerrors.Code].
type storeError struct {
	err  error
	text string
}

func (e *storeError) Error() string { return "storage: the store: " + e.text }
func (e *storeError) Unwrap() error { return e.err }

// veil makes an error of the store's one that can be shown.
func (s *shelf) veil(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // readers have to end by this very error
		return err
	}
	text := innermost(err).Error()
	if strings.Contains(text, s.root) {
		text = gcerrors.Code(err).String()
	}
	return &storeError{err, text}
}

// innermost is the error that all others are wrapped around, or the first of
// them.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			inner = several.Unwrap()[0]
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

func (s *shelf) Attributes(ctx context.Context, name string) (*blob.Attributes, error) {
	a, err := s.inner.Attributes(ctx, name)
	return a, s.veil(err)
}

func (s *shelf) ReadAll(ctx context.Context, name string) ([]byte, error) {
	content, err := s.inner.ReadAll(ctx, name)
	return content, s.veil(err)
}

func (s *shelf) WriteAll(ctx context.Context, name string, content []byte) error {
	return s.veil(s.inner.WriteAll(ctx, name, content, nil))
}

func (s *shelf) Delete(ctx context.Context, name string) error {
	return s.veil(s.inner.Delete(ctx, name))
}

// Copy copies within the store.
func (s *shelf) Copy(ctx context.Context, dst, src string) error {
	err := s.inner.Copy(ctx, dst, src, nil)
	if copier, ok := s.account.(Copier); ok && err != nil {
		err = copier.CopyLarge(ctx, s.name, dst, src, err)
	}
	return s.veil(err)
}

// maxListings bounds how often a page is asked for again.
const maxListings = 10

// ListPage lists a page. In a folder, a file that goes while it is listed makes
// fileblob fail, also one that was being written; then it is listed again.
func (s *shelf) ListPage(ctx context.Context, token []byte, size int, opts *blob.ListOptions) (page []*blob.ListObject, next []byte, err error) {
	for range maxListings {
		page, next, err = s.inner.ListPage(ctx, token, size, opts)
		if gcerrors.Code(err) != gcerrors.NotFound {
			break
		}
	}
	return page, next, s.veil(err)
}

// pageSize is how much is listed at once when the caller does not say.
const pageSize = 1000

// each calls fn for every object whose name begins with prefix, in order. A
// store that lists another one is not believed.
func (s *shelf) each(ctx context.Context, prefix string, fn func(*blob.ListObject) error) error {
	for token := blob.FirstPageToken; len(token) > 0; {
		page, next, err := s.ListPage(ctx, token, pageSize, &blob.ListOptions{Prefix: prefix})
		if err != nil {
			return err
		}
		for _, o := range page {
			if !strings.HasPrefix(o.Key, prefix) {
				return fmt.Errorf("%w: the store listed a file that it was not asked for", ErrRefused)
			}
			if err := fn(o); err != nil {
				return err
			}
		}
		token = next
	}
	return nil
}

// files is each without files that are being written, or never were to the end.
func (s *shelf) files(ctx context.Context, prefix string, fn func(*blob.ListObject) error) error {
	return s.each(ctx, prefix, func(o *blob.ListObject) error {
		if temporary(o.Key) {
			return nil
		}
		return fn(o)
	})
}

func (s *shelf) SignedURL(ctx context.Context, name string, opts *blob.SignedURLOptions) (string, error) {
	signed, err := s.inner.SignedURL(ctx, name, opts)
	return signed, s.veil(err)
}

func (s *shelf) NewRangeReader(ctx context.Context, name string, offset, length int64) (*shelfReader, error) {
	r, err := s.inner.NewRangeReader(ctx, name, offset, length, nil)
	if err != nil {
		return nil, s.veil(err)
	}
	return &shelfReader{s, r}, nil
}

func (s *shelf) NewWriter(ctx context.Context, name string, opts *blob.WriterOptions) (*shelfWriter, error) {
	w, err := s.inner.NewWriter(ctx, name, opts)
	if err != nil {
		return nil, s.veil(err)
	}
	return &shelfWriter{s, w}, nil
}

// shelfReader reads an object.
type shelfReader struct {
	shelf *shelf
	inner *blob.Reader
}

func (r *shelfReader) Read(p []byte) (int, error) {
	n, err := r.inner.Read(p)
	return n, r.shelf.veil(err)
}

func (r *shelfReader) Close() error        { return r.shelf.veil(r.inner.Close()) }
func (r *shelfReader) ContentType() string { return r.inner.ContentType() }
func (r *shelfReader) ModTime() time.Time  { return r.inner.ModTime() }
func (r *shelfReader) Size() int64         { return r.inner.Size() }

// shelfWriter writes one.
type shelfWriter struct {
	shelf *shelf
	inner *blob.Writer
}

func (w *shelfWriter) Write(p []byte) (int, error) {
	n, err := w.inner.Write(p)
	return n, w.shelf.veil(err)
}

func (w *shelfWriter) Close() error { return w.shelf.veil(w.inner.Close()) }
