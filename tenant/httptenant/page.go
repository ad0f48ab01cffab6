package httptenant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/partywall/partywall/tenant"
)

// page is one row of the table, ready to be sent.
type page struct {
	status           int
	html, json, text []byte
}

// Error answers a request with err as the Edge does itself: with the status of
// [StatusOf], by [Options.Error] or in the looks of this package. Handlers may
// call it with errors of Partywall. The client never reads err.
func (e *Edge) Error(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		err = errors.New("httptenant: Error was called without one")
	}
	row := rowOf(e.rows, err)
	p := e.pages[max(row, 0)]
	e.report(r, p.status, row, err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if wait := RetryAfter(err); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
	}
	if p.status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110, section 15.5.2 wants one
	}
	if e.opts.Error != nil {
		sw := &statusWriter{ResponseWriter: w, status: p.status}
		e.opts.Error(sw, r, err, p.status)
		sw.finish()
		return
	}
	for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(name) // they described what the handler did not send after all
	}
	kind, body := p.as(r.Header.Get("Accept"))
	h.Add("Vary", "Accept")
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // the client may be gone, and there is nobody else to tell
}

// report logs why a request was refused. The error itself may hold what a
// client sent, so only the row it matched is told, or its type.
func (e *Edge) report(r *http.Request, status, row int, err error) {
	level := slog.LevelDebug
	switch {
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	case errors.Is(err, ErrMismatch), errors.Is(err, ErrForged), errors.Is(err, ErrUntrusted),
		errors.Is(err, tenant.ErrUnavailable):
		level = slog.LevelWarn
	}
	if !e.log.Enabled(r.Context(), level) {
		return
	}
	reason := fmt.Sprintf("%T", err)
	if row >= 0 {
		reason = tenant.ErrSuspended.Error() + " for " + tenant.ReasonPayment
		if known := e.rows[row].err; known != nil {
			reason = known.Error()
		}
	}
	attrs := []slog.Attr{slog.Int("status", status), slog.String("reason", reason)}
	var s *tenant.StatusError
	if errors.As(err, &s) && !s.ID.IsZero() {
		attrs = append(attrs, slog.String("tenant", s.ID.String()))
	}
	e.log.LogAttrs(r.Context(), level, "httptenant: request refused", attrs...)
}

// as returns the page in the form that the Accept header likes best. Browsers
// ask for HTML by name; who asks for nothing, or for anything, gets text.
func (p page) as(accept string) (kind string, body []byte) {
	var html, json float64
	left := 16 // no honest header is longer
	for part := range strings.SplitSeq(accept, ",") {
		if left--; left < 0 {
			break
		}
		kind, params, _ := strings.Cut(part, ";")
		switch kind = strings.ToLower(strings.TrimSpace(kind)); {
		case kind == "text/html" || kind == "application/xhtml+xml":
			html = max(html, quality(params))
		case kind == "application/json" || strings.HasSuffix(kind, "+json"):
			json = max(json, quality(params))
		}
	}
	switch {
	case html > json:
		return "text/html; charset=utf-8", p.html
	case json > 0:
		return "application/problem+json", p.json
	}
	return "text/plain; charset=utf-8", p.text
}

// quality returns the weight among the parameters of a media range (RFC 9110,
// section 12.4.2).
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(param), "="); strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err == nil && q >= 0 && q <= 1 {
				return q
			}
			return 0
		}
	}
	return 1
}

// renderAll renders the table once, so that a flood of bad requests costs no
// more than writing bytes.
func renderAll(rows []rule) ([]page, error) {
	parsed, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("httptenant: page: %w", err)
	}
	pages := make([]page, len(rows))
	for i, row := range rows {
		title := http.StatusText(row.status)
		if title == "" {
			title = "Client Closed Request"
		}
		var html bytes.Buffer
		view := struct {
			Status        int
			Title, Detail string
		}{row.status, title, row.detail}
		if err := parsed.Execute(&html, view); err != nil {
			return nil, fmt.Errorf("httptenant: page: %w", err)
		}
		problem, err := json.Marshal(map[string]any{
			"type": "about:blank", "title": title, "status": row.status, "detail": row.detail,
		})
		if err != nil {
			return nil, fmt.Errorf("httptenant: page: %w", err)
		}
		pages[i] = page{row.status, html.Bytes(), append(problem, '\n'), []byte(row.detail + "\n")}
	}
	return pages, nil
}

// statusWriter sees to it that a refusal never goes out as 200, which is what
// net/http makes of a hook that forgets the status.
type statusWriter struct {
	http.ResponseWriter

	status int
	wrote  bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *statusWriter) Write(b []byte) (int, error) {
	w.finish()
	return w.ResponseWriter.Write(b) //nolint:wrapcheck // a wrapper adds nothing to it
}

// Unwrap lets [http.ResponseController] through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) finish() {
	if !w.wrote {
		w.WriteHeader(w.status)
	}
}
