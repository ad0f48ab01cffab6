package records

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/partywall/partywall/tenant"
)

// Read reads a chain from the CSV files of the Chinook sample database, a
// header and a table each. It fails with an [*InvalidError], and with the
// errors of files. What it returns can be loaded: ids are unique and lead
// somewhere, and every country makes a store.
func Read(files fs.FS) (*Chain, error) {
	r := &reader{ids: map[string]keys{}, emails: map[[2]string]bool{}, countries: map[string]string{}}
	for _, s := range r.sheets() {
		r.ids[s.name] = keys{}
		if err := s.read(files); err != nil {
			return nil, err
		}
	}
	if len(r.countries) < 2 {
		return nil, &InvalidError{File: customerFile, Err: errors.New("a chain has customers in two countries at least")}
	}
	return &r.chain, nil
}

// reader is the reading of one chain.
type reader struct {
	chain     Chain
	ids       map[string]keys    // by file
	emails    map[[2]string]bool // with the country
	countries map[string]string  // by slug
}

// The files, in the order in which they refer to each other.
const (
	artistFile   = "artist.csv"
	genreFile    = "genre.csv"
	mediaFile    = "media_type.csv"
	albumFile    = "album.csv"
	trackFile    = "track.csv"
	customerFile = "customer.csv"
	invoiceFile  = "invoice.csv"
	lineFile     = "invoice_line.csv"
)

func (r *reader) sheets() []sheet {
	c := &r.chain
	return []sheet{
		{artistFile, "artist_id name", func(row *row) { c.Artists = append(c.Artists, r.named(row, "artist_id", artistFile)) }},
		{genreFile, "genre_id name", func(row *row) { c.Genres = append(c.Genres, r.named(row, "genre_id", genreFile)) }},
		{mediaFile, "media_type_id name", func(row *row) { c.MediaTypes = append(c.MediaTypes, r.named(row, "media_type_id", mediaFile)) }},
		{albumFile, "album_id artist_id title", func(row *row) { c.Albums = append(c.Albums, r.album(row)) }},
		{
			trackFile, "track_id album_id media_type_id genre_id name composer milliseconds unit_price",
			func(row *row) { c.Tracks = append(c.Tracks, r.track(row)) },
		},
		{
			customerFile, "customer_id first_name last_name company city country email",
			func(row *row) { c.Customers = append(c.Customers, r.customer(row)) },
		},
		{
			invoiceFile, "invoice_id customer_id invoice_date total",
			func(row *row) { c.Invoices = append(c.Invoices, r.invoice(row)) },
		},
		{
			lineFile, "invoice_line_id invoice_id track_id quantity unit_price",
			func(row *row) { c.Lines = append(c.Lines, r.line(row)) },
		},
	}
}

func (r *reader) named(row *row, id, file string) Name {
	return Name{ID: row.key(id, r.ids[file]), Name: row.word("name")}
}

func (r *reader) album(row *row) Album {
	return Album{
		ID: row.key("album_id", r.ids[albumFile]), ArtistID: row.link("artist_id", r.ids[artistFile]), Title: row.word("title"),
	}
}

func (r *reader) track(row *row) Track {
	t := Track{
		ID: row.key("track_id", r.ids[trackFile]), AlbumID: row.link("album_id", r.ids[albumFile]),
		MediaTypeID: row.link("media_type_id", r.ids[mediaFile]), GenreID: row.link("genre_id", r.ids[genreFile]),
		Name: row.word("name"), Composer: row.text("composer"),
		Milliseconds: row.count("milliseconds"), UnitPrice: row.amount("unit_price"),
	}
	if t.UnitPrice < 0 {
		row.fail("unit_price", errors.New("is negative"))
	}
	return t
}

// What a store takes of its customers.
const (
	maxCustomer = 100_000 // the ids above are for customers to come
	maxCountry  = 48      // bytes, so that a database can be named for it
)

func (r *reader) customer(row *row) Customer {
	c := Customer{
		ID: row.key("customer_id", r.ids[customerFile]), FirstName: row.word("first_name"), LastName: row.word("last_name"),
		Company: row.text("company"), City: row.text("city"), Country: row.word("country"), Email: row.word("email"),
	}
	if c.ID > maxCustomer {
		row.fail("customer_id", fmt.Errorf("%d is more than %d", c.ID, maxCustomer))
	}
	if err := r.settle(c.Country); err != nil {
		row.fail("country", err)
	}
	if at := [2]string{c.Country, c.Email}; r.emails[at] {
		row.fail("email", errors.New("is another customer's in the same country"))
	} else {
		r.emails[at] = true
	}
	return c
}

// settle makes sure that a country can have a store, at an address that is not
// another country's.
func (r *reader) settle(country string) error {
	name := slug(country)
	switch other, ok := r.countries[name]; {
	case ok && other == country:
		return nil
	case ok:
		return fmt.Errorf("would have the address of %q", other)
	case len(country) > maxCountry:
		return fmt.Errorf("is longer than %d bytes", maxCountry)
	case slices.Contains(tenant.ReservedSlugs(), name):
		return fmt.Errorf("would have the address %q, which is reserved", name)
	}
	r.countries[name] = country
	return tenant.Spec{Slug: name, Name: country}.Validate()
}

func (r *reader) invoice(row *row) Invoice {
	return Invoice{
		ID: row.key("invoice_id", r.ids[invoiceFile]), CustomerID: row.link("customer_id", r.ids[customerFile]),
		Date: row.date("invoice_date"), Total: row.amount("total"),
	}
}

func (r *reader) line(row *row) Line {
	return Line{
		ID: row.key("invoice_line_id", r.ids[lineFile]), InvoiceID: row.link("invoice_id", r.ids[invoiceFile]),
		TrackID: row.link("track_id", r.ids[trackFile]), Quantity: row.count("quantity"), UnitPrice: row.amount("unit_price"),
	}
}
