package domain

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are what domains are measured by. States and reasons are few;
// hosts and tenants are not, and have no place in them.
type instruments struct {
	looks   metric.Float64Histogram
	wrong   metric.Int64Counter
	gauge   metric.Registration
	catalog *Catalog
}

func newInstruments(c *Catalog) (*instruments, error) {
	in := &instruments{catalog: c}
	var errs [5]error
	meter := c.opts.Meter
	in.looks, errs[0] = meter.Float64Histogram("partywall.domain.look.duration",
		metric.WithUnit("s"), metric.WithDescription("Time of one look at a domain, by its state."))
	in.wrong, errs[1] = meter.Int64Counter("partywall.domain.failures",
		metric.WithUnit("{look}"), metric.WithDescription("Looks at a domain that found something wrong, by the reason."))
	domains, err := meter.Int64ObservableGauge("partywall.domain.domains",
		metric.WithUnit("{domain}"), metric.WithDescription("Domains and claims, by state."))
	errs[2] = err
	served, err := meter.Int64ObservableGauge("partywall.domain.served",
		metric.WithUnit("{domain}"), metric.WithDescription("Hosts of tenants' own that this node serves."))
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	in.gauge, errs[4] = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		o.ObserveInt64(served, int64(c.Hosts()))
		counts, err := c.counts(ctx)
		for state, n := range counts {
			o.ObserveInt64(domains, n, metric.WithAttributes(attribute.String("state", string(state))))
		}
		return err
	}, domains, served)
	return in, errs[4]
}

// counts returns how many domains there are in each state, without those that
// have ended.
func (c *Catalog) counts(ctx context.Context) (map[State]int64, error) {
	rows, err := c.pool.Query(ctx, `SELECT state, count(*) FROM partywall_domains.domain WHERE state <> 'ended' GROUP BY state`)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	counts := map[State]int64{}
	for rows.Next() {
		var state State
		var n int64
		if err := rows.Scan((*string)(&state), &n); err != nil {
			return nil, translate(err)
		}
		counts[state] = n
	}
	return counts, translate(rows.Err())
}

// looked counts a look at a domain.
func (in *instruments) looked(was State, next Domain, took time.Duration, err error) {
	ctx := context.Background()
	in.looks.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("state", string(was))))
	reason := string(next.Reason)
	if err != nil {
		reason = "error"
	}
	if reason != "" {
		in.wrong.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
	}
}

func (in *instruments) close() {
	if in.gauge != nil {
		_ = in.gauge.Unregister() // the meter is the host's, and may have ended
	}
}
