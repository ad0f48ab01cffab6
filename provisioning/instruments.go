package provisioning

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are what operations are measured by. Kinds and steps are few;
// tenants are not, and have no place in them.
type instruments struct {
	steps      metric.Float64Histogram
	operations metric.Int64Counter
	takeovers  metric.Int64Counter
}

func newInstruments(meter metric.Meter) (in instruments, err error) {
	var errs [3]error
	in.steps, errs[0] = meter.Float64Histogram("partywall.provisioning.step.duration",
		metric.WithUnit("s"), metric.WithDescription("Time of one attempt at a step."))
	in.operations, errs[1] = meter.Int64Counter("partywall.provisioning.operations",
		metric.WithUnit("{operation}"), metric.WithDescription("Operations that ended, by how."))
	in.takeovers, errs[2] = meter.Int64Counter("partywall.provisioning.takeovers",
		metric.WithUnit("{operation}"), metric.WithDescription("Operations whose worker was given up on."))
	return in, errors.Join(errs[:]...)
}

// stepped counts an attempt at a step.
func (in instruments) stepped(x *execution, s step, began time.Time, err error) {
	result := "done"
	if err != nil {
		result = "failed"
	}
	in.steps.Record(context.Background(), time.Since(began).Seconds(), metric.WithAttributes(
		attribute.String("kind", x.kind.name), attribute.String("step", s.name), attribute.String("result", result)))
}

// left counts an operation that a worker is done with.
func (in instruments) left(x *execution, err error) {
	kind := attribute.String("kind", x.kind.name)
	if x.before != "" {
		in.takeovers.Add(context.Background(), 1, metric.WithAttributes(kind))
	}
	if err == nil && x.op.State.Ended() {
		in.operations.Add(context.Background(), 1, metric.WithAttributes(kind, attribute.String("state", string(x.op.State))))
	}
}
