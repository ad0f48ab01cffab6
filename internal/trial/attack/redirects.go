package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	redirection "github.com/partywall/partywall/tenant/domain/redirect"
)

// naiveRedirect leads to https and takes /old/ out of paths, as one would write it
// at first: with the host that the client has named.
func naiveRedirect() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, ok := strings.CutPrefix(r.URL.Path, "/old"); ok {
			w.Header().Set("Location", path)
			w.WriteHeader(http.StatusFound)
			return
		}
		http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusFound) //nolint:gosec // G710: that it can be led away is the control
	})
}

// oneTenant has two hosts.
type oneTenant struct{}

func (oneTenant) Site(host string) (redirection.Site, bool) {
	rules := redirection.Rules{HTTPS: true, WWW: redirection.WWWAdd, Paths: []redirection.PathRule{{From: "/old/*", To: "/*"}, {From: "/blog/*", To: "www.shop.example/*"}}}
	return redirection.Site{Host: host, Hosts: []string{"shop.example", "www.shop.example"}, Rules: rules}, host == "shop.example"
}

func redirects() http.Handler { return redirection.Handler(oneTenant{}, http.NotFoundHandler()) }

// redirected sends requests that try to be led away from the tenant's hosts. Where
// they are led is read as browsers read it.
func redirected(h http.Handler) Attack {
	requests := []request{
		{"GET //evil.example/ HTTP/1.1", "Host: shop.example"},
		{"GET /old//evil.example HTTP/1.1", "Host: shop.example"},
		{"GET /old/%5cevil.example HTTP/1.1", "Host: shop.example"},
		{"GET /blog//evil.example HTTP/1.1", "Host: shop.example"},
		{"GET /blog/%2fevil.example HTTP/1.1", "Host: shop.example"},
		{"GET /old/..//evil.example HTTP/1.1", "Host: shop.example"},
		{"GET /old/%0d%0aLocation:%20https://evil.example HTTP/1.1", "Host: shop.example"},
		{"GET http://evil.example/ HTTP/1.1", "Host: shop.example"},
		{"Host: evil.example"}, {"Host: shop.example.evil.example"}, {"Host: shop.example@evil.example"}, {"Host: shop.example:80@evil.example"},
		{"Host: shop.example", "Host: evil.example"}, {"Host: shop.example", "X-Forwarded-Host: evil.example"},
	}
	return func(ctx context.Context, s *scene) error {
		addr, stop, err := listening(ctx, h)
		if err != nil {
			return err
		}
		defer stop()
		if to, _, err := s.exchange(ctx, addr, request{"GET /x HTTP/1.1", "Host: shop.example"}); err != nil || !strings.HasPrefix(to, "https://") {
			return fmt.Errorf("an honest request is led to %q, %w", to, err)
		}
		for _, lines := range requests {
			to, _, err := s.exchange(ctx, addr, lines)
			if err != nil {
				return err
			}
			if host, ok := browsed(to); ok && host != "shop.example" && host != "www.shop.example" {
				s.found = append(s.found, fmt.Sprintf("%q leads to %q", lines[0], to))
			}
		}
		return nil
	}
}

// browsed is the host that a browser goes to by a Location, if there is one. To
// browsers a backslash is a slash (WHATWG URL).
func browsed(location string) (string, bool) {
	u, err := url.Parse(strings.ReplaceAll(location, `\`, "/"))
	if location == "" || err != nil {
		return "", false
	}
	base := url.URL{Scheme: "https", Host: "shop.example"}
	return strings.ToLower(base.ResolveReference(u).Hostname()), true
}
