package httptenant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/partywall/partywall/tenant"
)

// sourceHost is what errors call the host name, whether it is a subdomain or a
// domain of the tenant's own: to the reader it is one thing.
const sourceHost = "host"

type subdomain struct {
	base, suffix string
	own          []string
	err          error
}

// Subdomain names the tenant by the one label in front of base: with the base
// "myapp.com", acme.myapp.com is the tenant with the slug "acme". The labels in
// own belong to the host application itself, such as "www" and "api".
//
//	host                  meaning
//	acme.myapp.com        names acme
//	myapp.com             says nothing
//	www.myapp.com         says nothing, with "www" in own
//	other.example         says nothing; see [CustomDomain]
//	10.0.0.1, [::1]       says nothing
//	a.acme.myapp.com      refused with [ErrMalformed], as is what [NormalizeHost] refuses
func Subdomain(base string, own ...string) Resolver {
	s := &subdomain{own: slices.Clone(own)}
	var mistakes []error
	host, err := NormalizeHost(base)
	if err != nil || strings.Contains(base, ":") {
		mistakes = append(mistakes, fmt.Errorf("subdomain: base %q is not a host name without a port", base))
	}
	for _, label := range own {
		if one, err := NormalizeHost(label); err != nil || one != label || strings.Contains(label, ".") {
			mistakes = append(mistakes, fmt.Errorf("subdomain: %q is not one label in lower case", label))
		}
	}
	s.base, s.suffix, s.err = host, "."+host, errors.Join(mistakes...)
	return s
}

// Resolve implements [Resolver].
func (s *subdomain) Resolve(r *http.Request) (Mention, error) {
	if s.err != nil {
		return Mention{}, ErrConfig
	}
	host, err := hostOf(r)
	if err != nil {
		return Mention{}, err
	}
	label, ok := strings.CutSuffix(host, s.suffix)
	if !ok || slices.Contains(s.own, label) {
		return Mention{}, nil
	}
	if strings.Contains(label, ".") {
		return Mention{}, malformed(sourceHost, "has more than one label in front of the base domain")
	}
	key, err := slugKey(label)
	if err != nil {
		return Mention{}, err
	}
	return Mention{Source: sourceHost, Key: key}, nil
}

// Check returns the mistakes in the arguments of [Subdomain].
func (s *subdomain) Check() error { return s.err }

type customDomain struct {
	owner func(ctx context.Context, host string) (tenant.ID, error)
}

// CustomDomain names the tenant by a domain of its own. The function owner
// gets the host as [NormalizeHost] returns it and says whose it is. It must
// know only domains whose ownership has been proven, and must answer from
// memory: it is asked for every request, and everyone can send any host.
//
//	owner returns            meaning
//	id, nil                  names the tenant id
//	zero ID, nil             says nothing: not a custom domain
//	any, tenant.ErrNotFound  the same
//	any, other error         refused; [StatusOf] that error
func CustomDomain(owner func(ctx context.Context, host string) (tenant.ID, error)) Resolver {
	return customDomain{owner}
}

// Resolve implements [Resolver].
func (c customDomain) Resolve(r *http.Request) (Mention, error) {
	if c.owner == nil {
		return Mention{}, ErrConfig
	}
	host, err := hostOf(r)
	if err != nil || host == "" {
		return Mention{}, err
	}
	id, err := c.owner(r.Context(), host)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return Mention{}, nil
	case err != nil:
		return Mention{}, fmt.Errorf("httptenant: custom domain: %w", err)
	case id.IsZero():
		return Mention{}, nil
	}
	return Mention{Source: sourceHost, Key: tenant.ByID(id)}, nil
}

// Check reports a missing function.
func (c customDomain) Check() error {
	if c.owner == nil {
		return errors.New("custom domain: the function is missing")
	}
	return nil
}
