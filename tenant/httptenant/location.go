package httptenant

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
)

// located is the response to a request whose path was stripped of prefix. The
// handler, and a ServeMux that adds a slash, know the path without it, so where
// they send the client to is without it as well: outside of the tenant, and
// with the prefix "/" in another one, by a 301 that browsers remember.
type located struct {
	http.ResponseWriter

	prefix  string
	settled bool
}

// serve runs next behind prefix, which is mostly empty.
func serve(next http.Handler, w http.ResponseWriter, r *http.Request, prefix string) {
	if prefix == "" {
		next.ServeHTTP(w, r)
		return
	}
	l := &located{ResponseWriter: w, prefix: prefix}
	next.ServeHTTP(l, r)
	l.settle() // a handler that wrote nothing has answered with 200
}

// settle puts the prefix in front of the location, once, before the header is
// sent. Whole URLs, and paths that the client completes, stay as they are; so
// does a path with the prefix, of a handler that knows it.
func (l *located) settle() {
	if l.settled {
		return
	}
	l.settled = true
	for i, to := range l.Header()["Location"] {
		if strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !within(to, l.prefix) {
			l.Header()["Location"][i] = l.prefix + to
		}
	}
}

// within reports whether the path of a location begins with prefix.
func within(location, prefix string) bool {
	rest, ok := strings.CutPrefix(location, prefix)
	return ok && (rest == "" || strings.ContainsRune("/?#", rune(rest[0])))
}

// WriteHeader implements [http.ResponseWriter].
func (l *located) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // the others are no answer yet
		l.settle()
	}
	l.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (l *located) Write(b []byte) (int, error) {
	l.settle()
	return l.ResponseWriter.Write(b) //nolint:wrapcheck // a wrapper adds nothing to it
}

// ReadFrom implements [io.ReaderFrom], so that files are still sent by the
// kernel.
func (l *located) ReadFrom(r io.Reader) (int64, error) {
	l.settle()
	return io.Copy(l.ResponseWriter, r) //nolint:wrapcheck // as for Write
}

// Flush implements [http.Flusher].
func (l *located) Flush() { _ = l.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (l *located) FlushError() error {
	l.settle()
	return http.NewResponseController(l.ResponseWriter).Flush() //nolint:wrapcheck // as for Write
}

// Hijack implements [http.Hijacker], for libraries that ask for it by type.
func (l *located) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(l.ResponseWriter).Hijack() //nolint:wrapcheck // as for Write
}

// Unwrap lets [http.ResponseController] through.
func (l *located) Unwrap() http.ResponseWriter { return l.ResponseWriter }
