package signup

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// View is what a page shows: the form, or how far an operation is.
type View struct {
	// Prefix is the handler's, for URLs.
	Prefix string
	// Form is what was sent before, and Key the form's idempotency key, which it
	// has to send along as "key".
	Form Form
	Key  string
	// Plans are those to choose from.
	Plans []Plan
	// Problem is what is wrong, nil for nothing.
	Problem *Problem
	// Status is that of an operation, nil for the form.
	Status *Status
}

//go:embed assets
var assets embed.FS

// show sends a page.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, v View) {
	v.Prefix, v.Plans = h.opts.Prefix, h.opts.Plans
	if v.Key == "" && v.Status == nil {
		v.Key = rand.Text()
	}
	var page bytes.Buffer // so that half a page is never sent
	if err := h.page.Execute(&page, v); err != nil {
		h.opts.Logger.ErrorContext(r.Context(), "signup: page failed", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", h.opts.Policy)
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the client may be gone, and there is nobody else to tell
}

// wantsPage reports whether a client asks for HTML by name, as browsers do.
func wantsPage(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// asset serves a file that the page needs.
func asset(name, kind string) http.HandlerFunc {
	text, err := assets.ReadFile("assets/" + name)
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache") // it is asked for with its tag
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	}
}
