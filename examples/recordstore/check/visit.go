package check

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/partywall/partywall/examples/recordstore/money"
)

// What the check reads of the API's answers.
type (
	customerRow struct {
		ID    int32  `json:"customer_id"`
		Email string `json:"email"`
	}
	invoiceRow struct {
		ID    int32        `json:"invoice_id"`
		Email string       `json:"email"`
		Total money.Amount `json:"total"`
		Lines []struct {
			ID        int32        `json:"invoice_line_id"`
			UnitPrice money.Amount `json:"unit_price"`
			Quantity  int64        `json:"quantity"`
		} `json:"lines"`
	}
)

// discover finds the stores as a visitor does, by the links on the page of the
// chain.
func (r *run) discover(ctx context.Context) {
	a, err := r.client.send(ctx, http.MethodGet, "", "/", nil, nil)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("status %d", a.status)
	}
	if r.failed(ctx, "the page of the chain", err) {
		return
	}
	if found := r.foreign(a.body, nil); found != nil {
		r.leakf("the page of the chain shows %s", found[0])
	}
	links := regexp.MustCompile(`href="http://([a-z0-9-]+)\.localhost:` + r.client.port + `/"`)
	known := map[string]bool{}
	for _, m := range links.FindAllStringSubmatch(a.body, -1) {
		if known[m[1]] {
			r.mismatchf("the page of the chain links to %s twice", m[1])
			continue
		}
		known[m[1]] = true
		r.stores = append(r.stores, &store{slug: m[1]})
	}
}

// canaryPrefix begins the e-mail address of every canary.
const canaryPrefix = "canary-"

// prepare learns who a store is, and plants a canary: a customer that nobody
// else may ever see.
func (r *run) prepare(ctx context.Context, s *store) {
	if r.failed(ctx, s.slug, r.client.get(ctx, s.slug, "/api/summary", &s.seen)) {
		return
	}
	s.country, s.strategy = s.seen.Store, s.seen.Strategy
	if s.want = r.want.stores[s.country]; s.want == nil {
		r.mismatchf("%s: a store of %q, which has no customers", s.slug, s.country)
		return
	}
	r.removeCanaries(ctx, s) // of a check that was interrupted
	canary := canaryPrefix + rand.Text() + "@" + s.slug + ".example"
	body, err := json.Marshal(map[string]string{"first_name": "Canary", "last_name": "of " + s.slug, "email": canary, "country": s.country})
	if r.failed(ctx, s.country, err) {
		return
	}
	a, err := r.client.send(ctx, http.MethodPost, s.slug, "/api/customers", body, nil)
	if r.failed(ctx, s.country+": creating a customer", err) {
		return
	}
	if a.status != http.StatusCreated {
		r.mismatchf("%s: creating a customer: status %d", s.country, a.status)
		return
	}
	s.canary = canary
	played, _, err := r.client.sql(ctx, s.slug, `SELECT partywall.tenant()::text`)
	if r.failed(ctx, s.country+": playground", err) {
		return
	}
	if len(played.Rows) == 1 {
		s.number, err = strconv.ParseInt(fmt.Sprint(played.Rows[0][0]), 10, 64)
	}
	if err != nil || s.number == 0 {
		r.mismatchf("%s: the playground does not tell the tenant's number: %s", s.country, played.Error)
	}
	r.stash(ctx, s)
}

// removeCanaries brings a store back to what it was.
func (r *run) removeCanaries(ctx context.Context, s *store) {
	var rows []customerRow
	if r.failed(ctx, s.country, r.client.get(ctx, s.slug, "/api/customers?limit=1000", &rows)) {
		return
	}
	for _, row := range rows {
		if !strings.HasPrefix(row.Email, canaryPrefix) {
			continue
		}
		path := fmt.Sprintf("/api/customers/%d", row.ID)
		if a, err := r.client.send(ctx, http.MethodDelete, s.slug, path, nil, nil); err != nil || a.status != http.StatusNoContent {
			r.mismatchf("%s: removing the canary: status %d, %v", s.country, a.status, err)
		}
	}
}

// visit reads all of a store and compares it with what should be there.
func (r *run) visit(ctx context.Context, s *store) {
	if s.want == nil {
		return
	}
	r.visitCustomers(ctx, s)
	r.visitInvoices(ctx, s)
	r.visitFiles(ctx, s)
	a, err := r.client.send(ctx, http.MethodGet, s.slug, "/", nil, nil)
	if r.failed(ctx, s.country+": page", err) {
		return
	}
	if found := r.foreign(a.body, s); found != nil {
		r.leakf("%s: its page shows %s", s.country, found[0])
	}
	if a.status != http.StatusOK || !strings.Contains(a.body, s.want.total.Dollars()) {
		r.mismatchf("%s: its page (status %d) does not show %s", s.country, a.status, s.want.total.Dollars())
	}
}

func (r *run) visitCustomers(ctx context.Context, s *store) {
	var rows []customerRow
	if r.failed(ctx, s.country, r.client.get(ctx, s.slug, "/api/customers?limit=1000", &rows)) {
		return
	}
	got := map[int32]bool{}
	canaries := 0
	for _, row := range rows {
		switch {
		case row.Email == s.canary:
			canaries++
		case !s.want.customers[row.ID]:
			r.leakf("%s: lists customer %d, %s", s.country, row.ID, row.Email)
		default:
			got[row.ID] = true
		}
	}
	if len(got) != len(s.want.customers) || canaries != 1 {
		r.mismatchf("%s: lists %d customers and %d canaries, want %d and 1", s.country, len(got), canaries, len(s.want.customers))
	}
}

func (r *run) visitInvoices(ctx context.Context, s *store) {
	var rows []invoiceRow
	if r.failed(ctx, s.country, r.client.get(ctx, s.slug, "/api/invoices?limit=1000", &rows)) {
		return
	}
	var sum money.Amount
	lines := 0
	for _, row := range rows {
		if !s.want.invoices[row.ID] {
			r.leakf("%s: lists invoice %d", s.country, row.ID)
			continue
		}
		sum += row.Total
		lines += r.visitInvoice(ctx, s, row.ID)
	}
	if len(rows) != len(s.want.invoices) || sum != s.want.total {
		r.mismatchf("%s: lists %d invoices of %s, want %d of %s", s.country, len(rows), sum, len(s.want.invoices), s.want.total)
	}
	if lines != len(s.want.lines) {
		r.mismatchf("%s: shows %d lines, want %d", s.country, lines, len(s.want.lines))
	}
}

// visitInvoice reads one invoice and returns how many lines it has.
func (r *run) visitInvoice(ctx context.Context, s *store, id int32) int {
	var row invoiceRow
	if r.failed(ctx, s.country, r.client.get(ctx, s.slug, fmt.Sprintf("/api/invoices/%d", id), &row)) {
		return 0
	}
	if owner := r.want.emails[row.Email]; owner != s.country {
		r.leakf("%s: invoice %d is of %s", s.country, id, row.Email)
	}
	var sum money.Amount
	for _, line := range row.Lines {
		if !s.want.lines[line.ID] {
			r.leakf("%s: invoice %d shows line %d", s.country, id, line.ID)
		}
		sum += line.UnitPrice * money.Amount(line.Quantity)
	}
	if row.Total != s.want.totals[id] || sum != row.Total {
		r.mismatchf("%s: invoice %d is of %s, its lines of %s, want %s", s.country, id, row.Total, sum, s.want.totals[id])
	}
	return len(row.Lines)
}

// visitFiles looks at the catalogue, the cover with the canary in it, and an
// invoice as it was written.
func (r *run) visitFiles(ctx context.Context, s *store) {
	wants := map[string]string{"/catalogue": "<h1>Catalogue</h1>", r.coverPath(): s.canary}
	if id := some(s.want.invoices); id != 0 {
		wants[fmt.Sprintf("/invoices/%d", id)] = s.want.totals[id].Dollars()
	}
	for path, want := range wants {
		a, err := r.client.send(ctx, http.MethodGet, s.slug, path, nil, nil)
		if r.failed(ctx, s.country+": "+path, err) {
			continue
		}
		r.inspect(s, path, a.body)
		if a.status != http.StatusOK || !strings.Contains(a.body, want) {
			r.mismatchf("%s: %s (status %d) does not show %s", s.country, path, a.status, want)
		}
	}
}

// revisit makes sure that no attack has left a trace, and removes the canary.
func (r *run) revisit(ctx context.Context, s *store) {
	if s.want == nil {
		return
	}
	if s.canary != "" {
		r.visit(ctx, s)
	}
	r.unstash(ctx, s)
	r.removeCanaries(ctx, s)
	if r.failed(ctx, s.country, r.client.get(ctx, s.slug, "/api/summary", &s.seen)) {
		return
	}
	got, want := s.seen, s.want
	if got.Store != s.country || got.Total != want.total || int(got.Invoices) != len(want.invoices) || int(got.Customers) != len(want.customers) {
		r.mismatchf("%s: %s over %d invoices of %d customers, want %s over %d of %d", s.country,
			got.Total, got.Invoices, got.Customers, want.total, len(want.invoices), len(want.customers))
	}
}
