package storagetest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// Host is what a host lets its clients do with files, and what it does itself when
// a tenant comes and goes. [Attacks] are played against one.
type Host interface {
	Files
	Import(ctx context.Context, t tenant.Tenant, archive io.Reader) error
	Erase(ctx context.Context, t tenant.Tenant) error
}

// Files is what the tenant of the context can do with its files.
type Files interface {
	Read(ctx context.Context, key string) ([]byte, error)
	Write(ctx context.Context, key, contentType string, content []byte) error
	List(ctx context.Context, prefix string) ([]string, error)
	Copy(ctx context.Context, dst, src string) error
	Sign(ctx context.Context, key string, opts *blob.SignedURLOptions) (string, error)
	Disposition(ctx context.Context, key string) (string, error)
	// Handle opens a bucket for later, as a host might keep it.
	Handle(ctx context.Context) (*blob.Bucket, error)
}

// Walled is a host whose files are behind the wall.
type Walled struct{ *storage.Buckets }

// Handle implements [Host].
func (h Walled) Handle(ctx context.Context) (*blob.Bucket, error) { return h.Open(ctx) }

// Read implements [Host].
func (h Walled) Read(ctx context.Context, key string) (content []byte, err error) {
	return content, h.with(ctx, func(b *blob.Bucket) error {
		content, err = b.ReadAll(ctx, key)
		return err
	})
}

// Write implements [Host].
func (h Walled) Write(ctx context.Context, key, contentType string, content []byte) error {
	return h.with(ctx, func(b *blob.Bucket) error {
		return b.WriteAll(ctx, key, content, &blob.WriterOptions{ContentType: contentType})
	})
}

// List implements [Host].
func (h Walled) List(ctx context.Context, prefix string) (keys []string, err error) {
	return keys, h.with(ctx, func(b *blob.Bucket) error {
		keys, err = keysOf(ctx, b, prefix)
		return err
	})
}

// Copy implements [Host].
func (h Walled) Copy(ctx context.Context, dst, src string) error {
	return h.with(ctx, func(b *blob.Bucket) error { return b.Copy(ctx, dst, src, nil) })
}

// Sign implements [Host].
func (h Walled) Sign(ctx context.Context, key string, opts *blob.SignedURLOptions) (signed string, err error) {
	return signed, h.with(ctx, func(b *blob.Bucket) error {
		signed, err = b.SignedURL(ctx, key, opts)
		return err
	})
}

// Disposition implements [Host].
func (h Walled) Disposition(ctx context.Context, key string) (disposition string, err error) {
	return disposition, h.with(ctx, func(b *blob.Bucket) error {
		a, err := b.Attributes(ctx, key)
		if err == nil {
			disposition = a.ContentDisposition
		}
		return err
	})
}

func (h Walled) with(ctx context.Context, fn func(*blob.Bucket) error) error {
	b, err := h.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(b), b.Close())
}

// Naive is a host that has written it the way one writes it at first: a prefix
// made of the tenant's number, joined with what the client says. It is there
// for attacks to get through: one that does not proves nothing.
type Naive struct{ Bucket *blob.Bucket }

func (h Naive) root(ctx context.Context) (string, error) {
	t, err := tenant.FromContext(ctx)
	var status *tenant.StatusError
	if err != nil && !errors.As(err, &status) {
		return "", err
	}
	return fmt.Sprint("tenants/", t.Number), nil
}

// name is where a client's key leads.
func (h Naive) name(ctx context.Context, key string) (string, error) {
	root, err := h.root(ctx)
	if decoded, err := url.PathUnescape(key); err == nil {
		key = decoded
	}
	return path.Join(root, "files", key), err
}

// Handle implements [Host].
func (h Naive) Handle(context.Context) (*blob.Bucket, error) { return h.Bucket, nil }

// Read implements [Host].
func (h Naive) Read(ctx context.Context, key string) ([]byte, error) {
	name, err := h.name(ctx, key)
	if err != nil {
		return nil, err
	}
	return h.Bucket.ReadAll(ctx, name)
}

// Write implements [Host].
func (h Naive) Write(ctx context.Context, key, contentType string, content []byte) error {
	name, err := h.name(ctx, key)
	if err != nil {
		return err
	}
	return h.Bucket.WriteAll(ctx, name, content, &blob.WriterOptions{ContentType: contentType})
}

// List implements [Host].
func (h Naive) List(ctx context.Context, prefix string) ([]string, error) {
	name, err := h.name(ctx, prefix)
	if err != nil {
		return nil, err
	}
	return keysOf(ctx, h.Bucket, name)
}

// Copy implements [Host].
func (h Naive) Copy(ctx context.Context, dst, src string) error {
	to, err := h.name(ctx, dst)
	from, fromErr := h.name(ctx, src)
	if err := errors.Join(err, fromErr); err != nil {
		return err
	}
	return h.Bucket.Copy(ctx, to, from, nil)
}

// Sign implements [Host].
func (h Naive) Sign(ctx context.Context, key string, opts *blob.SignedURLOptions) (string, error) {
	name, err := h.name(ctx, key)
	if err != nil {
		return "", err
	}
	return h.Bucket.SignedURL(ctx, name, opts)
}

// Disposition implements [Host].
func (h Naive) Disposition(ctx context.Context, key string) (string, error) {
	name, err := h.name(ctx, key)
	if err != nil {
		return "", err
	}
	a, err := h.Bucket.Attributes(ctx, name)
	if err != nil {
		return "", err
	}
	return a.ContentDisposition, nil
}

// Import implements [Host].
func (h Naive) Import(ctx context.Context, t tenant.Tenant, archive io.Reader) error {
	in := tar.NewReader(archive)
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if err := h.Write(tenant.NewContext(tenant.Without(ctx), t), head.Name, "text/plain", content); err != nil {
			return err
		}
	}
}

// Erase implements [Host].
func (h Naive) Erase(ctx context.Context, t tenant.Tenant) error {
	keys, err := keysOf(ctx, h.Bucket, fmt.Sprint("tenants/", t.Number))
	for _, key := range keys {
		err = errors.Join(err, h.Bucket.Delete(ctx, key))
	}
	return err
}

// keysOf lists the keys of a bucket.
func keysOf(ctx context.Context, b *blob.Bucket, prefix string) (keys []string, err error) {
	each := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := each.Next(ctx)
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, o.Key)
	}
}
