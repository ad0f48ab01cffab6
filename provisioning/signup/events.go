package signup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/partywall/partywall/provisioning"
)

// Event is what the public sees of a [provisioning.Event].
type Event struct {
	Number int64                  `json:"number"`
	At     time.Time              `json:"at"`
	Type   provisioning.EventType `json:"type"`
	Step   string                 `json:"step,omitempty"`
	// Percent is how much is done, Remaining how many seconds the rest takes, 0
	// where nobody knows.
	Percent   float64 `json:"percent"`
	Remaining float64 `json:"remaining,omitempty"`
	Message   string  `json:"message,omitempty"`
}

// maxStream is how long events are sent in one answer. Who follows comes back
// for more.
const maxStream = 15 * time.Minute

// events sends what happens to an operation, from the event after the one that
// the client has seen, to the end.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	o, err := h.find(r.Context(), r.PathValue("operation"))
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	after, err := lastSeen(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	leave, ok := h.followers.join(o.ID)
	if !ok {
		h.refuse(w, r, errFull)
		return
	}
	defer leave()
	s := &stream{w: w, control: http.NewResponseController(w), timeout: h.opts.WriteTimeout}
	defer s.end()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is not to collect what is for now
	if r.Method == http.MethodHead {
		return
	}
	if err := s.send("retry: 2000\n\n"); err != nil {
		if errors.Is(err, http.ErrNotSupported) {
			h.opts.Logger.ErrorContext(r.Context(), "signup: request failed", "error", errStreamed)
		}
		return
	}
	h.follow(r.Context(), s, o.ID, after)
}

// lastSeen is the number of the last event that the client has seen.
func lastSeen(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, &malformed{"Last-Event-ID is not the number of an event."}
	}
	return n, nil
}

// found is what an engine tells of an operation.
type found struct {
	event provisioning.Event
	err   error
}

// follow sends events until the operation or the client has ended.
func (h *Handler) follow(ctx context.Context, s *stream, id provisioning.ID, after int64) {
	ctx, stop := context.WithTimeout(ctx, maxStream)
	news := make(chan found)
	go func() {
		defer close(news)
		for event, err := range h.engine.Events(ctx, id, after) {
			select {
			case news <- found{event, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		for range news { // so that nothing of a follower is left when it has gone
		}
	}()
	beat := time.NewTicker(h.opts.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-h.closing:
			return
		case <-beat.C:
			err = s.send(":\n\n")
		case n, more := <-news:
			switch {
			case !more && ctx.Err() != nil:
				return
			case !more:
				h.sendEnd(ctx, s, id)
				return
			case n.err != nil:
				h.opts.Logger.DebugContext(ctx, "signup: following an operation", "error", n.err)
				return
			}
			err = s.sendEvent(h.told(n.event))
		}
		if err != nil { // the client has gone, or does not read
			return
		}
	}
}

// told leaves out of an event what is nobody else's business.
func (h *Handler) told(e provisioning.Event) Event {
	return Event{
		Number: e.Number, At: e.At, Type: e.Type, Step: e.Step, Percent: e.Percent,
		Remaining: e.Remaining.Seconds(), Message: h.opts.Message(e),
	}
}

// sendEnd sends what became of the operation, so that the client does not come
// back.
func (h *Handler) sendEnd(ctx context.Context, s *stream, id provisioning.ID) {
	o, err := h.engine.Get(ctx, id)
	if err != nil {
		h.opts.Logger.DebugContext(ctx, "signup: following an operation", "error", err)
		return
	}
	text, err := json.Marshal(h.public(o))
	if err == nil {
		err = s.send("event: end\ndata: " + string(text) + "\n\n")
	}
	if err != nil {
		h.opts.Logger.DebugContext(ctx, "signup: following an operation", "error", err)
	}
}

// stream is an answer that goes out piece by piece.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (s *stream) sendEvent(e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.send(fmt.Sprintf("id: %d\ndata: %s\n\n", e.Number, text))
}

// send sends a piece, which the client has to read in time.
func (s *stream) send(text string) error {
	err := s.control.SetWriteDeadline(time.Now().Add(s.timeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return s.control.Flush()
}

// end leaves the connection without a limit of ours, for the next request.
func (s *stream) end() { _ = s.control.SetWriteDeadline(time.Time{}) } // where it can be set
