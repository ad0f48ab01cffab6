package autotls

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are what certificates are measured by. CAs and reasons are few;
// hosts are not, and have no place in them.
type instruments struct {
	orders, certificates, failures metric.Int64Counter

	counts   atomic.Pointer[counts]
	callback metric.Registration
}

// counts is how long certificates are good for.
type counts struct {
	byDays [5]int64   // over, up to 1 day, 7 days, 30 days, and more
	first  *time.Time // when the first of them ends; nil without any
}

func newInstruments(m *Manager) (*instruments, error) {
	in := &instruments{}
	meter := m.opts.Meter
	var errs [6]error
	in.orders, errs[0] = meter.Int64Counter("partywall.tls.orders",
		metric.WithUnit("{order}"), metric.WithDescription("Orders that were placed, by CA."))
	in.certificates, errs[1] = meter.Int64Counter("partywall.tls.certificates.issued",
		metric.WithUnit("{certificate}"), metric.WithDescription("Certificates that were got, by CA and whether they are the first of their host."))
	in.failures, errs[2] = meter.Int64Counter("partywall.tls.failures",
		metric.WithUnit("{order}"), metric.WithDescription("Orders that failed, by CA and reason."))
	first, err := meter.Float64ObservableGauge("partywall.tls.expiry.first",
		metric.WithUnit("d"), metric.WithDescription("Days until the first of all stored certificates ends."))
	errs[3] = err
	stored, err := meter.Int64ObservableGauge("partywall.tls.certificates.stored",
		metric.WithUnit("{certificate}"), metric.WithDescription("Stored certificates, by how many days they are good for at most."))
	errs[4] = err
	in.callback, errs[5] = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c := in.counts.Load()
		if c == nil {
			return nil
		}
		if c.first != nil {
			o.ObserveFloat64(first, c.first.Sub(m.opts.Clock()).Hours()/24)
		}
		for i, days := range [...]string{"0", "1", "7", "30", "more"} {
			o.ObserveInt64(stored, c.byDays[i], metric.WithAttributes(attribute.String("days", days)))
		}
		return nil
	}, first, stored)
	return in, errors.Join(errs[:]...)
}

func (in *instruments) close() { _ = in.callback.Unregister() } // which is not used any more either way

func (in *instruments) count(c counts) { in.counts.Store(&c) }

func (in *instruments) ordered(ca string) {
	in.orders.Add(context.Background(), 1, metric.WithAttributes(attribute.String("ca", ca)))
}

func (in *instruments) obtained(ca string, what EventType) {
	in.certificates.Add(context.Background(), 1, metric.WithAttributes(attribute.String("ca", ca), attribute.String("event", string(what))))
}

func (in *instruments) failed(ca, why string) {
	in.failures.Add(context.Background(), 1, metric.WithAttributes(attribute.String("ca", ca), attribute.String("reason", why)))
}
