package signup

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// Started is the answer to a program that has asked for a tenant.
type Started struct {
	Operation provisioning.ID `json:"operation"`
	// Status and Events are paths.
	Status string `json:"status"`
	Events string `json:"events"`
}

// form shows the form.
func (h *Handler) form(w http.ResponseWriter, r *http.Request) {
	h.show(w, r, http.StatusOK, View{})
}

// start has a tenant made.
func (h *Handler) start(w http.ResponseWriter, r *http.Request) {
	f, key, id, err := h.ask(w, r)
	w.Header().Add("Vary", "Content-Type")
	at := h.opts.Prefix + "/" + id.String()
	switch {
	case err == nil && isForm(r):
		http.Redirect(w, r, at, http.StatusSeeOther) //nolint:gosec // G710: at is the host's prefix and an ID of ours
	case err == nil:
		w.Header().Set("Location", at)
		sendJSON(w, http.StatusAccepted, "application/json", Started{Operation: id, Status: at, Events: at + "/events"})
	case isForm(r):
		p := problemOf(err)
		h.note(w, r, p, err)
		if errors.Is(err, provisioning.ErrKeyUsed) { // or the same answer comes for ever
			key = ""
		}
		h.show(w, r, p.Status, View{Form: f, Key: key, Problem: p})
	default:
		h.refuse(w, r, err)
	}
}

// ask asks the engine for what a request wants.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request) (f Form, key string, id provisioning.ID, err error) {
	if err := h.origins.Check(r); err != nil {
		return f, "", id, fmt.Errorf("%w: %w", errOrigin, err)
	}
	f, key, err = read(w, r) // before the limit, so that the form comes back as it was filled in
	if err != nil {
		return f, "", id, err
	}
	if wait := h.limits.wait(h.opts.Client(r)); wait > 0 {
		return f, key, id, &limited{wait}
	}
	slug, err := tenant.NormalizeSlug(f.Slug)
	if err != nil {
		return f, key, id, err
	}
	wish := f
	wish.Slug = slug
	spec, err := h.opts.Spec(r.Context(), wish)
	if err != nil {
		return f, key, id, err
	}
	started, err := h.engine.Provision(r.Context(), spec, &provisioning.Request{Actor: Actor, Key: requestKey(key)})
	return f, key, started.ID(), err
}

// requestKey is the engine's key for one of a client's, which may be anything
// and must not be one of the host's own.
func requestKey(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return "signup " + base64.RawURLEncoding.EncodeToString(sum[:])
}
