package httptenant

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

type combined struct {
	name    string
	sources []Resolver
	all     bool
}

// FirstOf asks all sources. The first one that is present names the tenant;
// every other one that is present must name the same, or the request is
// refused with a [*MismatchError]. It is never first-wins: a client that can
// choose which source comes first could choose its tenant.
//
//	host   path     token    FirstOf(host, path, token)
//	acme   —        —        acme
//	—      —        acme     acme
//	acme   —        acme     acme
//	acme   —        globex   refused, *MismatchError
//	acme   broken   —        refused, the error of path
//	—      —        —        says nothing
func FirstOf(sources ...Resolver) Resolver {
	return &combined{name: "first of", sources: slices.Clone(sources)}
}

// AllAgree asks all sources, and all must be present and name the same tenant.
// Otherwise the request is refused with a [*MismatchError], or with the error
// of the source that is broken. Where all say nothing, it says nothing.
//
// It is for a host name that must come with a token: FirstOf(host, token)
// serves a request without a token, AllAgree(host, token) does not.
func AllAgree(sources ...Resolver) Resolver {
	return &combined{name: "all agree", sources: slices.Clone(sources), all: true}
}

// Resolve implements [Resolver].
func (c *combined) Resolve(r *http.Request) (Mention, error) {
	if len(c.sources) == 0 || slices.Contains(c.sources, nil) {
		return Mention{}, ErrConfig
	}
	var agreed Mention
	silent := 0
	for _, source := range c.sources {
		m, err := source.Resolve(r)
		if err != nil {
			return Mention{}, err //nolint:wrapcheck // the source's own error, for the table
		}
		if !m.Present() {
			silent++
		}
		if agreed, err = agreed.And(m); err != nil {
			return Mention{}, err
		}
	}
	if c.all && silent > 0 && agreed.Present() {
		return Mention{}, mismatch(agreed, Mention{Source: "another source"})
	}
	return agreed, nil
}

// Check returns the mistakes in all sources.
func (c *combined) Check() error {
	var mistakes []error
	if len(c.sources) == 0 {
		mistakes = append(mistakes, errors.New("no sources are given"))
	}
	for _, source := range c.sources {
		mistakes = append(mistakes, checkOf(source))
	}
	if err := errors.Join(mistakes...); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// Vary returns the headers that the sources read.
func (c *combined) Vary() []string {
	var headers []string
	for _, source := range c.sources {
		headers = append(headers, varyOf(source)...)
	}
	slices.Sort(headers)
	return slices.Compact(headers)
}
