package signup

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// Problem is what a client is told when something is wrong (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Errors say which fields are wrong, if it is about fields.
	Errors []FieldError `json:"errors,omitempty"`

	retry time.Duration
}

// FieldError says what is wrong with one field.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Of returns what is wrong with a field, "" for nothing. It may be asked of nil.
func (p *Problem) Of(field string) string {
	if p == nil {
		return ""
	}
	for _, e := range p.Errors {
		if e.Field == field {
			return e.Detail
		}
	}
	return ""
}

// The conditions of this package that are answered besides those of form.go.
var (
	errOrigin   = errors.New("signup: request of another site")
	errFull     = errors.New("signup: too many follow")
	errStreamed = errors.New("signup: the server cannot send events as they happen")
)

// limited is a client that is too fast.
type limited struct{ wait time.Duration }

func (e *limited) Error() string { return "signup: too many requests" }

// busyRetry is what clients are told to wait when the catalog does not answer.
const busyRetry = 5 * time.Second

// problemOf says what the public is told of an error: never the error itself.
func problemOf(err error) *Problem {
	answer := func(status int, detail string) *Problem {
		return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	}
	if bad, ok := errors.AsType[*malformed](err); ok {
		return answer(http.StatusBadRequest, bad.detail)
	}
	if fast, ok := errors.AsType[*limited](err); ok {
		p := answer(http.StatusTooManyRequests, "There were too many requests. Try again in a moment.")
		p.retry = fast.wait
		return p
	}
	switch {
	case errors.Is(err, errOrigin):
		return answer(http.StatusForbidden, "This request came from another site.")
	case errors.Is(err, errTooLarge):
		return answer(http.StatusRequestEntityTooLarge, "This request is too large.")
	case errors.Is(err, errUnsupported):
		return answer(http.StatusUnsupportedMediaType, "Send a form, or JSON.")
	case errors.Is(err, provisioning.ErrNotFound):
		return answer(http.StatusNotFound, "There is no such sign-up.")
	case errors.Is(err, tenant.ErrSlugTaken):
		p := answer(http.StatusConflict, "Somebody else has this address already.")
		p.Errors = []FieldError{{"slug", "is taken"}}
		return p
	case errors.Is(err, provisioning.ErrKeyUsed):
		return answer(http.StatusUnprocessableEntity, "This was sent before, with another content.")
	case errors.Is(err, tenant.ErrInvalid):
		p := answer(http.StatusUnprocessableEntity, "Some of this cannot be used.")
		p.Errors = fieldErrors(err)
		return p
	case errors.Is(err, errFull), unavailable(err):
		p := answer(http.StatusServiceUnavailable, "This service is busy. Try again in a moment.")
		p.retry = busyRetry
		return p
	}
	return answer(http.StatusInternalServerError, "Something went wrong on our side.")
}

// fieldErrors finds all that err says of fields, without what was in them.
func fieldErrors(err error) (all []FieldError) {
	switch e := err.(type) { //nolint:errorlint // this is the walk that errors.As does not go on with
	case *tenant.InvalidError:
		return []FieldError{{e.Field, e.Rule}}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, fieldErrors(inner)...)
		}
	case interface{ Unwrap() error }:
		return fieldErrors(e.Unwrap())
	}
	return all
}

// unavailable reports whether err is one that goes away: the catalog does not
// answer, or not in time.
func unavailable(err error) bool {
	if errors.Is(err, tenant.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code[:min(2, len(pg.Code))] {
		case "08", "40", "53", "55", "57": // connections, conflicts, room, locks, shutdowns
			return true
		}
		return false
	}
	return pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// refuse answers a program.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	h.note(w, r, p, err)
	sendJSON(w, p.Status, "application/problem+json", p)
}

// note logs what the client is not told, and tells it when to come back.
func (h *Handler) note(w http.ResponseWriter, r *http.Request, p *Problem, err error) {
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds()))))
	}
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.opts.Logger.ErrorContext(r.Context(), "signup: request failed", "status", p.Status, "error", err)
	}
}

func sendJSON(w http.ResponseWriter, status int, kind string, body any) {
	text, err := json.Marshal(body)
	if err != nil { // of structs of texts and times
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone, and there is nobody else to tell
}
