package domain_test

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/partywall/partywall/tenant/domain"
)

// TestInstruments reads what is counted: looks, what was wrong, and domains by
// state; and none of a host or a tenant.
func TestInstruments(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	h := build(t, func(o *domain.Options) {
		o.Meter = metric.NewMeterProvider(metric.WithReader(reader)).Meter("test")
	})
	h.serve(t, "acme", "acme.example")
	h.claim(t, "globex", "globex.example", domain.MethodTXT)
	h.settle(t)

	got := measured(t, reader)
	for name, want := range map[string]int64{
		"partywall.domain.served": 1, "partywall.domain.domains active": 1, "partywall.domain.domains claimed": 1,
		"partywall.domain.failures no-record": 1, "partywall.domain.look.duration claimed": 2, "partywall.domain.look.duration issuing": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %d, want %d; all: %v", name, got[name], want, got)
		}
	}
	h.Close()
	if _, still := measured(t, reader)["partywall.domain.served"]; still {
		t.Error("measured after Close")
	}
}

// measured returns all points by instrument and attributes; of a histogram, how
// many values it has.
func measured(t *testing.T, reader *metric.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					got[m.Name+values(p.Attributes)] = p.Value
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					got[m.Name+values(p.Attributes)] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					got[m.Name+values(p.Attributes)] = int64(p.Count)
				}
			}
		}
	}
	return got
}

func values(set attribute.Set) (text string) {
	for _, a := range set.ToSlice() {
		text += " " + a.Value.AsString()
	}
	return text
}
