package check

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/records"
)

// expected is what one store has to show.
type expected struct {
	customers, invoices, lines map[int32]bool
	totals                     map[int32]money.Amount // by invoice
	total                      money.Amount
}

// tally is what all stores have to show, and whose each row is. It is worked
// out from the heap of records, and not by the code that deals them out to
// stores: who made a mistake there does not repeat it here.
type tally struct {
	stores   map[string]*expected // by country
	invoices int
	total    money.Amount

	customers, sold, lines map[int32]string // the country whose row it is
	emails                 map[string]string
}

func newTally(data *records.Chain) *tally {
	t := &tally{
		stores: map[string]*expected{}, customers: map[int32]string{}, sold: map[int32]string{},
		lines: map[int32]string{}, emails: map[string]string{},
	}
	for _, c := range data.Customers {
		e := t.stores[c.Country]
		if e == nil {
			e = &expected{
				customers: map[int32]bool{}, invoices: map[int32]bool{}, lines: map[int32]bool{},
				totals: map[int32]money.Amount{},
			}
			t.stores[c.Country] = e
		}
		e.customers[c.ID] = true
		t.customers[c.ID], t.emails[c.Email] = c.Country, c.Country
	}
	for _, i := range data.Invoices {
		country := t.customers[i.CustomerID]
		e := t.stores[country]
		e.invoices[i.ID], e.totals[i.ID] = true, i.Total
		e.total += i.Total
		t.sold[i.ID] = country
		t.invoices++
		t.total += i.Total
	}
	for _, l := range data.Lines {
		country := t.sold[l.InvoiceID]
		t.stores[country].lines[l.ID] = true
		t.lines[l.ID] = country
	}
	return t
}

// tokens are what attackers' statements make of rows, so that they can be
// recognised wherever they turn up: in a column, in an error, in a page.
func tokens() *regexp.Regexp { return regexp.MustCompile(`\b(customer|invoice|line|tenant):(-?\d+)\b`) }

// foreign returns what is in a text that is not the country's: rows, and the
// canaries of others.
func (r *run) foreign(text string, s *store) (found []string) {
	country, number := "", int64(-1)
	if s != nil {
		country, number = s.country, s.number
	}
	for _, m := range r.client.tokens.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			continue
		}
		owners := map[string]map[int32]string{"customer": r.want.customers, "invoice": r.want.sold, "line": r.want.lines}[m[1]]
		owner, known := owners[int32(n)] //nolint:gosec // G115: what does not fit is not known
		if known && owner != country || m[1] == "tenant" && n > 0 && n != number {
			found = append(found, m[0])
		}
	}
	for email, owner := range r.want.emails {
		if owner != country && strings.Contains(text, email) {
			found = append(found, email)
		}
	}
	for _, other := range r.stores {
		if other != s && other.canary != "" && strings.Contains(text, other.canary) {
			found = append(found, other.canary)
		}
	}
	return found
}
