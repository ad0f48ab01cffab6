package chain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/tenant"
)

func TestPlacement(t *testing.T) {
	t.Parallel()
	for stores, want := range map[int]string{1: "0 0 1", 2: "0 1 1", 3: "0 1 2", 6: "1 2 3", 12: "2 4 6", 24: "4 8 12"} {
		counts := map[tenant.Strategy]int{}
		for rank := range stores {
			p := placement(rank, stores, "new-zealand", func(slug string) string { return "db_" + slug })
			if err := p.Validate(); err != nil {
				t.Errorf("%d of %d: %v", rank, stores, err)
			}
			counts[p.Strategy]++
		}
		if got := fmt.Sprint(counts[tenant.Database], counts[tenant.Schema], counts[tenant.Shared]); got != want {
			t.Errorf("%d stores: %s, want %s", stores, got, want)
		}
	}
}

// TestOpenRefuses opens chains that cannot be, and looks for passwords in what
// it is told.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	strays := records.Sample(1)
	strays.Invoices[0].CustomerID = -1
	for want, c := range map[string]struct {
		catalog string
		data    *records.Chain
	}{
		"none of PostgreSQL's": {"postgres://me:hunter2@localhost:nowhere/catalog", records.Sample(1)},
		"who is not there":     {"", strays},
	} {
		_, err := Open(t.Context(), Config{Catalog: c.catalog}, c.data)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
