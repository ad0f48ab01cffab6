package signup

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/partywall/partywall/provisioning"
)

// Status is what the public sees of an operation.
type Status struct {
	Operation provisioning.ID    `json:"operation"`
	State     provisioning.State `json:"state"`
	Slug      string             `json:"slug"`
	StartedAt time.Time          `json:"started_at"`
	EndedAt   time.Time          `json:"ended_at,omitzero"`
	// Failed names the step for which all is or was taken back, if it was a step.
	Failed string `json:"failed,omitempty"`
	// Location is where the tenant is found, once it is there.
	Location string       `json:"location,omitempty"`
	Steps    []StepStatus `json:"steps"`
}

// StepStatus says how far a step is.
type StepStatus struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// State is "waiting", "begun", "done" or "undone", and in the end "failed" of
	// the step that did.
	State   string    `json:"state"`
	BeganAt time.Time `json:"began_at,omitzero"`
	EndedAt time.Time `json:"ended_at,omitzero"`
}

// Ended reports whether nothing more happens.
func (s *Status) Ended() bool { return s.State.Ended() }

// Succeeded reports whether the tenant is there.
func (s *Status) Succeeded() bool { return s.State == provisioning.Succeeded }

// Percent is how many of the steps are done.
func (s *Status) Percent() int {
	done := 0
	for _, step := range s.Steps {
		if step.State == "done" {
			done++
		}
	}
	return 100 * done / max(len(s.Steps), 1)
}

// Took is how long the whole took, or a step, for people; "" while it is not
// over.
func (s *Status) Took() string { return took(s.StartedAt, s.EndedAt) }

// Took is how long the step took; see [Status.Took].
func (s StepStatus) Took() string { return took(s.BeganAt, s.EndedAt) }

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return fmt.Sprintf("%.2f s", max(to.Sub(from), 0).Seconds())
}

// FailedTitle is the title of the step in Failed; "" if there is none.
func (s *Status) FailedTitle() string {
	for _, step := range s.Steps {
		if s.Failed != "" && step.Name == s.Failed {
			return step.Title
		}
	}
	return ""
}

// find returns the operation that a request names, if it was started here.
func (h *Handler) find(ctx context.Context, name string) (o provisioning.Operation, err error) {
	id, err := provisioning.ParseID(name)
	if err != nil {
		return o, fmt.Errorf("%w: %w", provisioning.ErrNotFound, err)
	}
	o, err = h.engine.Get(ctx, id)
	if err == nil && (o.Kind != "provision" || o.Actor != Actor) {
		err = fmt.Errorf("%w: it is another's", provisioning.ErrNotFound)
	}
	return o, err
}

// status says how far an operation is.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	o, err := h.find(r.Context(), r.PathValue("operation"))
	switch page := wantsPage(r); {
	case err != nil && page:
		p := problemOf(err)
		h.note(w, r, p, err)
		h.show(w, r, p.Status, View{Problem: p})
	case err != nil:
		h.refuse(w, r, err)
	case page:
		h.show(w, r, http.StatusOK, View{Status: h.public(o)})
	default:
		sendJSON(w, http.StatusOK, "application/json", h.public(o))
	}
}

// public leaves out of an operation what is nobody else's business.
func (h *Handler) public(o provisioning.Operation) *Status {
	s := &Status{Operation: o.ID, State: o.State, StartedAt: o.CreatedAt, EndedAt: o.EndedAt}
	var birth struct { // of which no more is told
		Slug string `json:"slug"`
	}
	if err := json.Unmarshal(o.Input, &birth); err == nil { // a later version's, if not
		s.Slug = birth.Slug
	}
	if s.Succeeded() {
		s.Location = h.opts.Location(s.Slug)
	}
	failed, _, _ := strings.Cut(o.Reason, ": ") // it begins so, if it was a step
	begun := map[string]provisioning.StepState{}
	for _, step := range o.Steps {
		begun[step.Name] = step
		if step.Name == failed {
			s.Failed = failed
		}
	}
	for _, step := range h.opts.Steps {
		s.add(step, begun[step.Name])
		delete(begun, step.Name)
	}
	for _, step := range o.Steps {
		if _, besides := begun[step.Name]; besides {
			s.add(Step{Name: step.Name}, step)
		}
	}
	return s
}

func (s *Status) add(step Step, at provisioning.StepState) {
	out := StepStatus{Name: step.Name, Title: step.Title, State: at.State, BeganAt: at.BeganAt, EndedAt: at.EndedAt}
	if out.Title == "" {
		out.Title = step.Name
	}
	if out.State == "" {
		out.State = "waiting"
	}
	if s.State == provisioning.Undone && step.Name == s.Failed {
		out.State = "failed"
	}
	s.Steps = append(s.Steps, out)
}
