package proof

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/tenant/domain"
)

const (
	maxRedirects = 5
	maxBody      = 1 << 10
	maxHeader    = 16 << 10
)

// errRedirect is returned for a redirect that leads away from the challenge.
var errRedirect = errors.New("proof: redirect leads elsewhere")

// errRedirects is returned for too many of them.
var errRedirects = errors.New("proof: too many redirects")

// proveHTTP asks the host itself, at the address that each resolver gives. All
// of them must answer with the token: a resolver that lies leads to another
// address, and does not lead away from the honest one.
func (p *Prover) proveHTTP(ctx context.Context, c domain.Challenge) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.fetchTime)
	defer cancel()
	places, err := p.places(ctx, c.Host)
	if err != nil {
		return nil, err
	}
	var seen []string
	for _, at := range places {
		body, err := p.fetch(ctx, at, c)
		if err == nil && body == c.Token {
			continue
		}
		if err == nil {
			err = &domain.ProofError{Reason: domain.ReasonWrongRecord, Seen: []string{visible(body)}}
		}
		if failed, ok := errors.AsType[*domain.ProofError](err); ok {
			seen = merge(seen, failed.Seen)
		}
		return seen, err
	}
	return seen, nil
}

// places are the addresses to ask: one of each resolver's answer. All that the
// answers hold must be public, and none the platform's own: that the platform
// answers for a host says nothing about who controls it.
func (p *Prover) places(ctx context.Context, host string) ([]netip.Addr, error) {
	found := make([][]netip.Addr, len(p.resolvers))
	var failure error
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		for i, a := range p.askAll(ctx, p.resolvers, host, kind) {
			if a.err != nil {
				failure = a.err
				continue
			}
			found[i] = append(found[i], addressesIn(a.msg, host)...)
		}
	}
	var places []netip.Addr
	answered := 0
	for _, all := range found {
		for _, at := range all {
			if p.onEdge(at) || p.guard.check(at) != nil {
				return nil, &domain.ProofError{Reason: domain.ReasonAddressRefused, Seen: []string{at.String()}, Err: errRefused}
			}
		}
		if len(all) > 0 {
			answered++
			if !slices.Contains(places, all[0]) { // IPv4 comes first
				places = append(places, all[0])
			}
		}
	}
	switch {
	case answered >= p.quorum:
		return places, nil
	case failure != nil:
		return nil, &domain.ProofError{Reason: domain.ReasonDNSFailure, Err: failure}
	case answered == 0:
		return nil, &domain.ProofError{Reason: domain.ReasonUnreachable, Err: errors.New("proof: host has no address")}
	}
	return nil, &domain.ProofError{Reason: domain.ReasonResolversDisagree, Err: fmt.Errorf("proof: %d of %d resolvers know an address", answered, len(p.resolvers))}
}

// fetch gets the body of the challenge's path from one address.
func (p *Prover) fetch(ctx context.Context, at netip.Addr, c domain.Challenge) (string, error) {
	client := &http.Client{Transport: p.transport(at), CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errRedirects
		}
		return sameChallenge(r.URL, c)
	}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Host+c.Path(), nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("User-Agent", "partywall-domain-proof")
	resp, err := client.Do(r)
	if err != nil {
		return "", failed(err)
	}
	defer func() { _ = resp.Body.Close() }() // all that counts is read
	if resp.StatusCode != http.StatusOK {
		return "", &domain.ProofError{Reason: domain.ReasonNoRecord, Seen: []string{"status " + strconv.Itoa(resp.StatusCode)}}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return "", failed(err)
	}
	if len(body) > maxBody {
		return "", &domain.ProofError{Reason: domain.ReasonWrongRecord, Seen: []string{visible(string(body))}}
	}
	return strings.TrimSpace(string(body)), nil
}

// transport goes to one address, whatever the name: there is no second look-up
// for somebody to answer otherwise. It has no proxy and keeps no connection.
func (p *Prover) transport(at netip.Addr) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, err
			}
			return p.guard.dial(ctx, netip.AddrPortFrom(at, uint16(number)))
		},
		// The host has no certificate yet, or an old one. What it shows is no more
		// trusted than plain HTTP, and neither has to be: the address is the proof.
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // G402: as said
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// sameChallenge lets a redirect through that stays with host and path: from http
// to https, that is. One that leads to a path of the server's choosing would let
// whoever may put a file there claim the host.
func sameChallenge(u *url.URL, c domain.Challenge) error {
	https := u.Scheme == "https" && (u.Port() == "" || u.Port() == "443")
	plain := u.Scheme == "http" && (u.Port() == "" || u.Port() == "80")
	if !https && !plain || u.User != nil || !strings.EqualFold(u.Hostname(), c.Host) || u.EscapedPath() != c.Path() {
		return errRedirect
	}
	return nil
}

// failed says what an error of the client means.
func failed(err error) error {
	reason := domain.ReasonUnreachable
	switch {
	case errors.Is(err, errRedirects):
		reason = domain.ReasonTooManyRedirects
	case errors.Is(err, errRedirect):
		reason = domain.ReasonWrongRecord
	case errors.Is(err, errRefused):
		reason = domain.ReasonAddressRefused
	}
	// The URL may be the host's own invention: a Location.
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return &domain.ProofError{Reason: reason, Err: err}
}
