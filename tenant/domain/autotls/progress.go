package autotls

import (
	"context"
	"crypto/x509"
	"sync/atomic"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// progress is how far an order at one CA has come. It is the order's
// [acmez.CSRSource]: the request for a certificate is asked for when the CA is
// satisfied, right before it may issue.
type progress struct {
	csr       *x509.CertificateRequest
	tries     atomic.Int64 // challenges, for each of which acmez places an order
	finalizes atomic.Bool
	retryAt   atomic.Int64 // what the CA said, in Unix seconds, when it refused for a limit
}

var _ acmez.CSRSource = (*progress)(nil)

// CSR implements [acmez.CSRSource].
func (p *progress) CSR(context.Context, []acme.Identifier) (*x509.CertificateRequest, error) {
	p.finalizes.Store(true)
	return p.csr, nil
}

type progressKey struct{}

// in returns a context whose requests are part of the order.
func (p *progress) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, progressKey{}, p)
}

func progressOf(ctx context.Context) *progress {
	p, _ := ctx.Value(progressKey{}).(*progress)
	return p
}
