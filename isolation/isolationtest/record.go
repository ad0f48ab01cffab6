package isolationtest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Recorder is a handler that passes requests on and remembers them: put around
// the host's handler while its other tests run, it learns the routes. It may be
// used by many goroutines.
type Recorder struct {
	Handler http.Handler

	mu   sync.Mutex
	seen []Route
}

// maxRecorded bounds the body that is remembered of a request, in bytes. A
// longer one is passed on and not remembered.
const maxRecorded = 1 << 20

// ServeHTTP implements [http.Handler].
func (rec *Recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head, err := io.ReadAll(io.LimitReader(r.Body, maxRecorded+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	if err == nil && len(head) <= maxRecorded {
		rec.mu.Lock()
		rec.seen = append(rec.seen, recorded(r.Method, r.URL.RequestURI(), r.Header, string(head)))
		rec.mu.Unlock()
	}
	rec.Handler.ServeHTTP(w, r)
}

// Routes returns the requests so far, each once. ids are what the things of the
// tenant that made them are called, by name: they become gaps, in paths,
// queries and bodies. Who asked is left out: that is for Tenant.As to say.
func (rec *Recorder) Routes(ids map[string]string) []Route {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return templates(rec.seen, ids)
}

// recorded is a request as a route, without what says whose it is, and without
// what the next one has of its own.
func recorded(method, target string, header http.Header, body string) Route {
	r := Route{Method: method, Path: target, Body: body}
	for _, name := range []string{"Accept", "Content-Type", "X-Requested-With"} {
		if values := header.Values(name); len(values) > 0 {
			if r.Header == nil {
				r.Header = http.Header{}
			}
			r.Header[name] = slices.Clone(values)
		}
	}
	return r
}

// templates makes gaps of identifiers, and drops repetitions.
func templates(routes []Route, ids map[string]string) []Route {
	var out []Route
	for _, r := range routes {
		path, query, asked := strings.Cut(r.Path, "?")
		r.Path = punch(path, "/", ids)
		if asked {
			r.Path += "?" + punch(query, "&", ids)
		}
		r.Body = punchBody(r.Body, ids)
		same := func(o Route) bool { return o.String() == r.String() && o.Body == r.Body }
		if !slices.ContainsFunc(out, same) {
			out = append(out, r)
		}
	}
	return out
}

// punch makes a gap of each part of a path or query that is an identifier.
func punch(text, separator string, ids map[string]string) string {
	parts := strings.Split(text, separator)
	for i, part := range parts {
		before, value := "", part
		if separator == "&" {
			if name, v, ok := strings.Cut(part, "="); ok {
				before, value = name+"=", v
			}
		}
		for name, id := range ids {
			if value == id && id != "" {
				parts[i] = before + "{" + name + "}"
			}
		}
	}
	return strings.Join(parts, separator)
}

// punchBody makes a gap of each identifier in a body that is not part of
// something longer.
func punchBody(body string, ids map[string]string) string {
	for name, id := range ids {
		if id == "" {
			continue
		}
		var out strings.Builder
		rest := body
		for {
			i := strings.Index(rest, id)
			if i < 0 {
				break
			}
			end := i + len(id)
			alone := (i == 0 || !isWord(rest[i-1])) && (end == len(rest) || !isWord(rest[end]))
			if alone {
				out.WriteString(rest[:i] + "{" + name + "}")
			} else {
				out.WriteString(rest[:end])
			}
			rest = rest[end:]
		}
		body = out.String() + rest
	}
	return body
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
