package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/store"
	"github.com/partywall/partywall/tenant"
)

// Bounds on what clients may ask for and send.
const (
	defaultLimit = 20
	maxLimit     = 1000
	maxBody      = 64 << 10
	maxField     = 200
)

// Summary answers GET /api/summary.
type Summary struct {
	Store     string          `json:"store"`
	Strategy  tenant.Strategy `json:"strategy"`
	Invoices  int64           `json:"invoices"`
	Customers int64           `json:"customers"`
	Total     money.Amount    `json:"total"`
}

func (s *site) summary(w http.ResponseWriter, r *http.Request) error {
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		return err
	}
	sum, err := s.queries().Summary(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, Summary{
		Store: t.Name, Strategy: t.Placement.Strategy,
		Invoices: sum.Invoices, Customers: sum.Customers, Total: sum.Total,
	})
}

func (s *site) invoices(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	rows, err := s.queries().RecentInvoices(r.Context(), limit)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, rows)
}

// Invoice answers GET /api/invoices/{id}.
type Invoice struct {
	store.InvoiceRow

	Lines []store.InvoiceLinesRow `json:"lines"`
}

func (s *site) invoice(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	out, err := s.readInvoice(r.Context(), id)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, out)
}

func (s *site) readInvoice(ctx context.Context, id int32) (out Invoice, err error) {
	err = s.DB.Tx(ctx, snapshot(), func(tx pgx.Tx) error {
		q := store.New(tx)
		if out.InvoiceRow, err = q.Invoice(ctx, id); err != nil {
			return err
		}
		out.Lines, err = q.InvoiceLines(ctx, id)
		return err
	})
	return out, err
}

func (s *site) customers(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	rows, err := s.queries().Customers(r.Context(), limit)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, rows)
}

func (s *site) createCustomer(w http.ResponseWriter, r *http.Request) error {
	var c store.CreateCustomerParams
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&c); err != nil {
		return fmt.Errorf("%w: body: %w", tenant.ErrInvalid, err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: body: there is more than one value in it", tenant.ErrInvalid)
	}
	for name, value := range map[string]string{"first_name": c.FirstName, "last_name": c.LastName, "email": c.Email} {
		if value == "" {
			return fmt.Errorf("%w: %s is empty", tenant.ErrInvalid, name)
		}
	}
	for _, value := range []string{c.FirstName, c.LastName, c.Company, c.City, c.Country, c.Email} {
		if len(value) > maxField {
			return fmt.Errorf("%w: a field has more than %d bytes", tenant.ErrInvalid, maxField)
		}
	}
	id, err := s.queries().CreateCustomer(r.Context(), c)
	if err != nil {
		return err
	}
	s.forget(r.Context(), keySales)
	return reply(w, http.StatusCreated, map[string]int32{"customer_id": id})
}

func (s *site) deleteCustomer(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	n, err := s.queries().DeleteCustomer(r.Context(), id)
	if err != nil {
		return err
	}
	if n == 0 {
		return pgx.ErrNoRows
	}
	s.forget(r.Context(), keySales)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// snapshot is for reading several things that have to fit together.
func snapshot() *pgx.TxOptions {
	return &pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
}

func limitOf(r *http.Request) (int32, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || n > maxLimit {
		return 0, fmt.Errorf("%w: limit is not a number from 1 to %d", tenant.ErrInvalid, maxLimit)
	}
	return int32(n), nil
}

func idOf(r *http.Request) (int32, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: the id is not a number", tenant.ErrInvalid)
	}
	return int32(n), nil
}

// reply sends an answer of JSON.
func reply(w http.ResponseWriter, status int, answer any) error {
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may have gone
	return nil
}
