package isolationtest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The places in which something may be found. Sinks have names of their own.
const (
	inBody     = "body"
	inHeader   = "header"
	inCookie   = "cookie"
	inRedirect = "redirect"
	inError    = "error"
	inPanic    = "panic"
)

// place is a part of an answer.
type place struct{ kind, text string }

// answer is what came of one attempt.
type answer struct {
	ok     bool   // it was served
	status string // how it ended, as the client is told
	places []place
}

// body is all that was answered, for comparing with another answer.
func (a answer) body() string {
	var b strings.Builder
	for _, p := range a.places {
		if p.kind == inBody || p.kind == inError || p.kind == inRedirect {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// holds returns where an answer holds a canary, and "" if nowhere.
func (a answer) holds(c canary) string {
	for _, p := range a.places {
		if c.in(p.text) {
			return p.kind
		}
	}
	return ""
}

// maxHops is how many redirects are followed.
const maxHops = 3

// send has the handler serve a request and follows where it leads, as far as
// that is the same host.
func (h *Host) send(ctx context.Context, as func(*http.Request), method, target, body string, header http.Header) (answer, error) {
	var whole answer
	for hop := range maxHops + 1 {
		r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
		for name, values := range header {
			r.Header[name] = slices.Clone(values)
		}
		as(r)
		r.RequestURI = r.URL.RequestURI() // as may have put a prefix in front
		got, err := h.serve(r)
		if err != nil {
			return answer{}, err
		}
		part, location := read(got, r)
		whole.places = append(whole.places, part.places...)
		if hop == 0 {
			whole.ok, whole.status = part.ok, part.status
		}
		if location == "" {
			break
		}
		// The next request begins anew, by a client that knows where to go.
		method, target, body, header = http.MethodGet, location, "", nil
		as = sameHost(as, r)
	}
	return whole, nil
}

// sameHost keeps the prefix out that as may put in front of a path: a redirect
// has it already.
func sameHost(as func(*http.Request), before *http.Request) func(*http.Request) {
	return func(r *http.Request) {
		target := *r.URL
		as(r)
		r.URL, r.Host = &target, before.Host
	}
}

// served is a recorded answer, and what the handler panicked with.
type served struct {
	*httptest.ResponseRecorder

	panicked any
}

// serve waits for the handler, for as long as Timeout and a little more.
func (h *Host) serve(r *http.Request) (served, error) {
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	w := httptest.NewRecorder()
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		h.Handler.ServeHTTP(w, r.WithContext(ctx))
	}()
	select {
	case p := <-done:
		return served{w, p}, nil
	case <-time.After(2 * h.Timeout):
		return served{}, fmt.Errorf("%s %s: the handler does not return, not even after its context has ended", r.Method, r.URL.Path)
	}
}

// read takes an answer apart, and says where to go on.
func read(s served, r *http.Request) (a answer, next string) {
	if s.panicked != nil && s.panicked != http.ErrAbortHandler { //nolint:errorlint,err113 // a panic's value, as net/http compares it
		return answer{status: "panic", places: []place{{inPanic, fmt.Sprint(s.panicked)}}}, ""
	}
	got := s.Result()
	defer func() { _ = got.Body.Close() }() // it is in memory
	a.ok, a.status = got.StatusCode < http.StatusBadRequest, got.Status
	if got.StatusCode >= 300 && got.StatusCode < 400 {
		next = hop(got.Header.Get("Location"), r)
	}
	for _, headers := range []http.Header{got.Header, got.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			for _, v := range headers[name] {
				a.places = append(a.places, place{kindOf(name), v})
			}
		}
	}
	kind := inBody
	if !a.ok {
		kind = inError
	}
	for _, text := range unpack(s.Body.Bytes(), got.Header) {
		a.places = append(a.places, place{kind, text})
	}
	return a, next
}

func kindOf(header string) string {
	switch header {
	case "Set-Cookie":
		return inCookie
	case "Location", "Refresh", "Content-Location":
		return inRedirect
	}
	return inHeader
}

// hop is where a redirect leads, "" if away from the host.
func hop(location string, r *http.Request) string {
	u, err := url.Parse(location)
	if err != nil || location == "" {
		return ""
	}
	u = r.URL.ResolveReference(u)
	if u.Host != "" && u.Host != r.Host {
		return ""
	}
	return u.RequestURI()
}

// maxUnpacked bounds what is taken out of an answer that is compressed.
const maxUnpacked = 64 << 20

// unpack returns a body as it came and, where it is compressed, what is in it.
func unpack(body []byte, header http.Header) []string {
	out := []string{string(body)}
	more := func(r io.Reader, err error) {
		if err == nil {
			text, _ := io.ReadAll(io.LimitReader(r, maxUnpacked)) // what can be read is looked at
			out = append(out, string(text))
		}
	}
	switch header.Get("Content-Encoding") {
	case "gzip":
		more(gzip.NewReader(bytes.NewReader(body)))
	case "deflate":
		more(flate.NewReader(bytes.NewReader(body)), nil)
	}
	if archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body))); err == nil {
		for _, f := range archive.File { // documents of office programs are archives too
			out = append(out, f.Name)
			more(f.Open())
		}
	}
	return out
}
