package records

import "io/fs"

// Read reads a chain from the CSV files of the Chinook sample database, a
// header and a table each. It fails with [ErrInvalid] and with the errors of
// files.
func Read(files fs.FS) (*Chain, error) {
	var c Chain
	tables := map[string]func(*row){
		"artist.csv":     func(r *row) { c.Artists = append(c.Artists, named(r, "artist_id")) },
		"genre.csv":      func(r *row) { c.Genres = append(c.Genres, named(r, "genre_id")) },
		"media_type.csv": func(r *row) { c.MediaTypes = append(c.MediaTypes, named(r, "media_type_id")) },
		"album.csv": func(r *row) {
			c.Albums = append(c.Albums, Album{
				ID: r.number("album_id"), ArtistID: r.number("artist_id"), Title: r.word("title"),
			})
		},
		"track.csv": func(r *row) {
			c.Tracks = append(c.Tracks, Track{
				ID: r.number("track_id"), AlbumID: r.number("album_id"), MediaTypeID: r.number("media_type_id"),
				GenreID: r.number("genre_id"), Name: r.word("name"), Composer: r.text("composer"),
				Milliseconds: r.number("milliseconds"), UnitPrice: r.amount("unit_price"),
			})
		},
		"customer.csv": func(r *row) {
			c.Customers = append(c.Customers, Customer{
				ID: r.number("customer_id"), FirstName: r.word("first_name"), LastName: r.word("last_name"),
				Company: r.text("company"), City: r.text("city"), Country: r.word("country"), Email: r.word("email"),
			})
		},
		"invoice.csv": func(r *row) {
			c.Invoices = append(c.Invoices, Invoice{
				ID: r.number("invoice_id"), CustomerID: r.number("customer_id"),
				Date: r.date("invoice_date"), Total: r.amount("total"),
			})
		},
		"invoice_line.csv": func(r *row) {
			c.Lines = append(c.Lines, Line{
				ID: r.number("invoice_line_id"), InvoiceID: r.number("invoice_id"), TrackID: r.number("track_id"),
				Quantity: r.number("quantity"), UnitPrice: r.amount("unit_price"),
			})
		},
	}
	for name, read := range tables {
		if err := each(files, name, read); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

func named(r *row, id string) Name { return Name{ID: r.number(id), Name: r.word("name")} }
