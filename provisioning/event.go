package provisioning

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// EventType says what happened.
type EventType string

// The types of events besides the states, which are types too: "running" when
// an operation goes on after a pause, "undoing", "succeeded" and so on.
const (
	Requested  EventType = "requested"
	StepBegun  EventType = "step begun"
	StepDone   EventType = "step done"
	StepUndone EventType = "step undone"
	// Progressed events tell how far a step is.
	Progressed EventType = "progress"
	// Failed events tell why a step is going to be tried again.
	Failed EventType = "failed"
	// TakenOver events tell whose lease had run out.
	TakenOver EventType = "taken over"
	// Wished events tell that somebody asked for a pause or an end, and who.
	Wished EventType = "asked for"
)

// event is the type of event that tells of a state.
func (s State) event() EventType { return EventType(s) }

// Event is one thing that happened to an operation. Together they are its
// record: none is ever changed.
type Event struct {
	// Number counts the events of an operation, from 1, without gaps.
	Number int64
	// At is by the catalog's clock.
	At   time.Time
	Type EventType
	// Step names the step, if it is about one.
	Step string
	// Percent is how much of the operation is done, weighed by how long the
	// steps took before.
	Percent float64
	// Remaining is how long the rest takes, as far as earlier operations tell;
	// zero where they don't.
	Remaining time.Duration
	// Message is for people.
	Message string
	// Token is that of the worker whose doing it was; 0 is nobody's.
	Token int64
}

// maxMessage bounds an event's message, in bytes.
const maxMessage = 2000

// presentable makes any text one that PostgreSQL keeps.
func presentable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// describe completes events that are about to be written of an operation.
func (x *execution) describe(o *Operation, events []Event) {
	percent, remaining := x.engine.weights.estimate(x.kind, *o, x.progress)
	for i := range events {
		o.events++
		events[i].Number, events[i].Token = o.events, o.Token
		events[i].Percent, events[i].Remaining = percent, remaining
		events[i].Message = presentable(events[i].Message)
	}
}

// queueEvents adds events to what is about to be written.
func queueEvents(b *pgx.Batch, o Operation, events []Event) {
	for _, e := range events {
		var remaining *time.Duration
		if e.Remaining > 0 {
			remaining = &e.Remaining
		}
		b.Queue(`
			INSERT INTO partywall_operations.event (operation_id, number, type, step, percent, remaining, message, token)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			o.ID, e.Number, string(e.Type), e.Step, e.Percent, remaining, e.Message, e.Token)
	}
}
