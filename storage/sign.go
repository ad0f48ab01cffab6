package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// Sign says which signed URLs tenants may have. Who has one needs nothing else,
// and nobody is asked again until it ends, not even when the tenant is
// suspended; so it names one file, one method, a short time.
type Sign struct {
	// Methods are those allowed, of GET, PUT and DELETE. Defaults to GET.
	//
	// What is done by PUT and DELETE goes past the quota, the trash, Retain and
	// Accept. So PUT is refused for a tenant that has a quota, and both are
	// where there is a trash or Retain.
	Methods []string
	// MaxLife is the longest life of a URL; more is refused, not cut. Defaults
	// to 15 minutes. A caller who names no life gets this.
	MaxLife time.Duration
}

func (s Sign) filled() Sign {
	s.MaxLife = cmp.Or(s.MaxLife, 15*time.Minute)
	if len(s.Methods) == 0 {
		s.Methods = []string{http.MethodGet}
	}
	return s
}

func (s Sign) validate() error {
	for _, m := range s.Methods {
		if m != http.MethodGet && m != http.MethodPut && m != http.MethodDelete {
			return fmt.Errorf("storage: Options.Sign: method %q is none of GET, PUT and DELETE", m)
		}
	}
	if s.MaxLife < 0 {
		return errors.New("storage: Options.Sign: MaxLife is negative")
	}
	return nil
}

// SignedURL implements [driver.Bucket].
func (w *wall) SignedURL(ctx context.Context, key string, opts *driver.SignedURLOptions) (string, error) {
	h, err := w.file(ctx, key, opts.Method != http.MethodGet)
	if err != nil {
		return "", err
	}
	defer h.release()
	life, err := w.buckets.rules.sign(w.buckets, h, opts)
	if err != nil {
		return "", w.refuse(ctx, h.tenant, err)
	}
	w.buckets.count(ctx, h.tenant, Traffic{Signs: 1})
	return h.bucket.SignedURL(ctx, h.file(key), &blob.SignedURLOptions{
		Expiry: life, Method: opts.Method, ContentType: opts.ContentType,
		EnforceAbsentContentType: opts.EnforceAbsentContentType,
	})
}

// signable reports whether there may be such a URL, and for how long.
func (b *Buckets) signable(h *home, opts *driver.SignedURLOptions) (time.Duration, error) {
	rules, put := b.opts.Sign, opts.Method == http.MethodPut
	life := opts.Expiry
	if life == blob.DefaultSignedURLExpiry {
		life = min(life, rules.MaxLife) // what gocloud says for a caller who said nothing
	}
	switch {
	case !slices.Contains(rules.Methods, opts.Method):
		return 0, fmt.Errorf("%w: a signed URL for %s", ErrRefused, opts.Method)
	case life > rules.MaxLife:
		return 0, fmt.Errorf("%w: a signed URL for %s; the longest life is %s", ErrRefused, life, rules.MaxLife)
	case opts.BeforeSign != nil:
		return 0, fmt.Errorf("%w: BeforeSign, which could sign something else", ErrRefused)
	case b.opts.Keys != nil:
		return 0, fmt.Errorf("%w: a signed URL of an encrypted file", ErrRefused)
	case put && opts.ContentType == "" && !opts.EnforceAbsentContentType:
		return 0, fmt.Errorf("%w: a signed URL for PUT without a content type", ErrRefused)
	case put && !b.opts.Active && active(opts.ContentType):
		return 0, fmt.Errorf("%w: a signed URL for PUT of a content type that browsers run", ErrRefused)
	case put && b.opts.Quota != nil && b.opts.Quota(h.tenant) != (Quota{}):
		return 0, fmt.Errorf("%w: a signed URL for PUT goes past the quota", ErrRefused)
	case put && b.opts.Accept != nil:
		return 0, fmt.Errorf("%w: a signed URL for PUT goes past Options.Accept", ErrRefused)
	case opts.Method != http.MethodGet && (b.opts.Trash > 0 || b.opts.Retain != nil):
		return 0, fmt.Errorf("%w: a signed URL for %s goes past the trash and Options.Retain", ErrRefused, opts.Method)
	}
	return life, nil
}
