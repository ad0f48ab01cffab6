package records_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/records"
)

func TestSampleRepeatsItself(t *testing.T) {
	t.Parallel()
	if !reflect.DeepEqual(records.Sample(records.MaxSample), records.Sample(records.MaxSample)) {
		t.Error("two samples differ")
	}
}

// TestSampleAddsUp looks at the sample as its own auditor would: every invoice
// is the sum of its lines, and every line is of a track that there is.
func TestSampleAddsUp(t *testing.T) {
	t.Parallel()
	for n := 1; n <= records.MaxSample; n++ {
		c := records.Sample(n)
		prices, sums := map[int32]money.Amount{}, map[int32]money.Amount{}
		for _, track := range c.Tracks {
			prices[track.ID] = track.UnitPrice
		}
		for _, l := range c.Lines {
			if price, ok := prices[l.TrackID]; !ok || price != l.UnitPrice {
				t.Fatalf("line %d is of track %d at %s, want %s", l.ID, l.TrackID, l.UnitPrice, price)
			}
			sums[l.InvoiceID] += l.UnitPrice * money.Amount(l.Quantity)
		}
		for _, i := range c.Invoices {
			if sums[i.ID] != i.Total {
				t.Fatalf("invoice %d is of %s, its lines of %s", i.ID, i.Total, sums[i.ID])
			}
		}
		if stores, err := c.Stores(); err != nil || len(stores) != n {
			t.Fatalf("%d stores, %v, want %d", len(stores), err, n)
		}
	}
	if stores, err := records.Sample(100).Stores(); err != nil || len(stores) != records.MaxSample {
		t.Errorf("%d stores, %v, want no more than there are", len(stores), err)
	}
}

func TestStoresRefuseStrays(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*records.Chain){
		"of customer -1, who is not there":  func(c *records.Chain) { c.Invoices[0].CustomerID = -1 },
		"of invoice -1, which is not there": func(c *records.Chain) { c.Lines[0].InvoiceID = -1 },
	} {
		c := records.Sample(2)
		spoil(c)
		if _, err := c.Stores(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
