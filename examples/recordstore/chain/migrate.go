package chain

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

//go:embed migrations/001_catalogue.sql
var catalogueSQL string

//go:embed migrations/002_sales.sql
var salesFiles embed.FS

// loadMigrations reads what makes a store's own tables.
func loadMigrations() (*schema.Migrations, error) {
	files, err := fs.Sub(salesFiles, "migrations")
	if err != nil {
		return nil, err
	}
	return schema.Load(files, nil)
}

// migrator returns what brings one place up to date. The catalogue is in the
// shared schema and in every database of a store's own; a store's schema finds
// the shared one through its search_path.
func migrator(data *records.Chain, sales *schema.Migrations) func(context.Context, *pgx.Conn, isolation.Target) error {
	return func(ctx context.Context, conn *pgx.Conn, to isolation.Target) error {
		if to.Strategy != tenant.Schema {
			if _, err := conn.Exec(ctx, catalogueSQL); err != nil {
				return err
			}
			if err := stock(ctx, conn, data); err != nil {
				return err
			}
		}
		return sales.Migrate(ctx, conn, to)
	}
}

// stock fills the catalogue, unless there is one. The migrator may: the
// catalogue is nobody's alone.
func stock(ctx context.Context, conn *pgx.Conn, data *records.Chain) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var stocked bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM track)`).Scan(&stocked); err != nil || stocked {
			return err
		}
		for _, t := range catalogue(data) {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, t.rows); err != nil {
				return fmt.Errorf("filling %s: %w", t.name, err)
			}
		}
		return nil
	})
}

// table is rows on their way into a table.
type table struct {
	name    string
	columns []string
	rows    pgx.CopyFromSource
}

// catalogue lists what all stores share, a table before those that refer to it.
func catalogue(data *records.Chain) []table {
	return []table{
		{"artist", []string{"artist_id", "name"}, each(data.Artists, named)},
		{"genre", []string{"genre_id", "name"}, each(data.Genres, named)},
		{"media_type", []string{"media_type_id", "name"}, each(data.MediaTypes, named)},
		{"album", []string{"album_id", "title", "artist_id"}, each(data.Albums, func(a records.Album) []any {
			return []any{a.ID, a.Title, a.ArtistID}
		})},
		{
			"track",
			[]string{"track_id", "name", "album_id", "media_type_id", "genre_id", "composer", "milliseconds", "unit_price"},
			each(data.Tracks, func(t records.Track) []any {
				return []any{t.ID, t.Name, t.AlbumID, t.MediaTypeID, t.GenreID, t.Composer, t.Milliseconds, t.UnitPrice}
			}),
		},
	}
}

// sales lists what belongs to one store, in the same order.
func sales(store *records.Store) []table {
	return []table{
		{
			"customer",
			[]string{"customer_id", "first_name", "last_name", "company", "city", "country", "email"},
			each(store.Customers, func(c records.Customer) []any {
				return []any{c.ID, c.FirstName, c.LastName, c.Company, c.City, c.Country, c.Email}
			}),
		},
		{
			"invoice",
			[]string{"invoice_id", "customer_id", "invoice_date", "total"},
			each(store.Invoices, func(i records.Invoice) []any {
				return []any{i.ID, i.CustomerID, i.Date, i.Total}
			}),
		},
		{
			"invoice_line",
			[]string{"invoice_line_id", "invoice_id", "track_id", "unit_price", "quantity"},
			each(store.Lines, func(l records.Line) []any {
				return []any{l.ID, l.InvoiceID, l.TrackID, l.UnitPrice, l.Quantity}
			}),
		},
	}
}

// each turns records into rows.
func each[T any](rows []T, values func(T) []any) pgx.CopyFromSource {
	return pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return values(rows[i]), nil })
}

func named(n records.Name) []any { return []any{n.ID, n.Name} }
