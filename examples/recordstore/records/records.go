// Package records holds what a chain of record stores sells, and what each of
// its customers bought: read from CSV files, or made up.
package records

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/partywall/partywall/examples/recordstore/money"
)

// Chain is a chain's data: the catalogue that all stores share, and the sales
// of all stores in one heap, as they came.
type Chain struct {
	Artists    []Name
	Albums     []Album
	Genres     []Name
	MediaTypes []Name
	Tracks     []Track

	Customers []Customer
	Invoices  []Invoice
	Lines     []Line
}

// Name is an artist, a genre or a media type.
type Name struct {
	ID   int32
	Name string
}

// Album is a record of the catalogue.
type Album struct {
	ID, ArtistID int32
	Title        string
}

// Track is one piece on an album.
type Track struct {
	ID, AlbumID, MediaTypeID, GenreID int32
	Name, Composer                    string
	Milliseconds                      int32
	UnitPrice                         money.Amount
}

// Customer buys at the store of the country.
type Customer struct {
	ID                                                 int32
	FirstName, LastName, Company, City, Country, Email string
}

// Invoice is what a customer bought on one day.
type Invoice struct {
	ID, CustomerID int32
	Date           time.Time
	Total          money.Amount
}

// Line is one track on an invoice.
type Line struct {
	ID, InvoiceID, TrackID, Quantity int32
	UnitPrice                        money.Amount
}

// Store is one store of the chain: the customers of one country, and what they
// bought.
type Store struct {
	Country, Slug string
	Customers     []Customer
	Invoices      []Invoice
	Lines         []Line
}

// Total is the sum of the store's invoices.
func (s *Store) Total() money.Amount {
	var sum money.Amount
	for _, i := range s.Invoices {
		sum += i.Total
	}
	return sum
}

// Stores deals the sales out to a store per country, the one that sold most
// first. It fails for rows that belong to nobody.
func (c *Chain) Stores() ([]*Store, error) {
	countries, customers, invoices := map[string]*Store{}, map[int32]*Store{}, map[int32]*Store{}
	var stores []*Store
	for _, row := range c.Customers {
		s := countries[row.Country]
		if s == nil {
			s = &Store{Country: row.Country, Slug: slug(row.Country)}
			countries[row.Country], stores = s, append(stores, s)
		}
		customers[row.ID] = s
		s.Customers = append(s.Customers, row)
	}
	for _, row := range c.Invoices {
		s := customers[row.CustomerID]
		if s == nil {
			return nil, fmt.Errorf("records: invoice %d is of customer %d, who is not there", row.ID, row.CustomerID)
		}
		invoices[row.ID] = s
		s.Invoices = append(s.Invoices, row)
	}
	for _, row := range c.Lines {
		s := invoices[row.InvoiceID]
		if s == nil {
			return nil, fmt.Errorf("records: line %d is of invoice %d, which is not there", row.ID, row.InvoiceID)
		}
		s.Lines = append(s.Lines, row)
	}
	slices.SortFunc(stores, func(a, b *Store) int {
		return cmp.Or(cmp.Compare(b.Total(), a.Total()), cmp.Compare(a.Slug, b.Slug))
	})
	return stores, nil
}

// slug makes a country's name one label of a host name.
func slug(country string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(country), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
}
