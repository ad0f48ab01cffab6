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
	// to 15 minutes. A caller who names no life gets this, and one who names an
	// hour, which is what gocloud makes of none.
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
	if putter, ok := h.store.Account.(Putter); ok && opts.Method == http.MethodPut && opts.ContentType != "" {
		signed, err := putter.SignPut(ctx, h.bucket.name, h.file(key), opts.ContentType, life)
		return signed, h.bucket.veil(err)
	}
	return h.bucket.SignedURL(ctx, h.file(key), &blob.SignedURLOptions{
		Expiry: life, Method: opts.Method, ContentType: opts.ContentType,
		EnforceAbsentContentType: opts.EnforceAbsentContentType,
	})
}

// signable reports whether there may be such a URL, and for how long.
func (b *Buckets) signable(h *home, opts *driver.SignedURLOptions) (time.Duration, error) {
	rules := b.opts.Sign
	life := opts.Expiry
	if life == blob.DefaultSignedURLExpiry {
		life = min(life, rules.MaxLife) // what gocloud says for a caller who said nothing
	}
	why := ""
	switch {
	case !slices.Contains(rules.Methods, opts.Method):
		why = opts.Method + " is not among the methods allowed"
	case life > rules.MaxLife:
		why = fmt.Sprintf("%s is longer than %s", life, rules.MaxLife)
	case opts.BeforeSign != nil:
		why = "BeforeSign could sign something else"
	case b.opts.Keys != nil:
		why = "the file is encrypted"
	case opts.Method != http.MethodGet:
		why = b.unwatched(h, opts)
	}
	if why != "" {
		return 0, fmt.Errorf("%w: a signed URL: %s", ErrRefused, why)
	}
	return life, nil
}

// unwatched says why a change must not be made past this package.
func (b *Buckets) unwatched(h *home, opts *driver.SignedURLOptions) string {
	put := opts.Method == http.MethodPut
	switch {
	case b.opts.Trash > 0 || b.opts.Retain != nil:
		return opts.Method + " goes past the trash and Options.Retain"
	case put && opts.ContentType == "" && !opts.EnforceAbsentContentType:
		return "PUT needs a content type"
	case put && !b.rules.inline(b, opts.ContentType):
		return "PUT of a content type that is not shown in place"
	case put && b.opts.Quota != nil && b.opts.Quota(h.tenant) != (Quota{}):
		return "PUT goes past the quota"
	case put && b.opts.Accept != nil:
		return "PUT goes past Options.Accept"
	}
	return ""
}
