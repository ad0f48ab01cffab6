package web

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"gocloud.dev/blob"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/examples/recordstore/store"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// What is cached. All stores have the same keys: whose value is meant, the
// context says.
const (
	keySales     = "sales"
	keyCatalogue = "catalogue"
)

// fresh is for how long at most the pages show what is no longer so. That is
// for changes past these handlers, and for a load that began before a change
// and ended after it: all else is forgotten at once.
const fresh = time.Minute

// sales are what the page of a store shows.
type sales struct {
	Summary   store.SummaryRow
	Customers []store.BestCustomersRow
	Genres    []store.TopGenresRow
	Years     []store.SalesByYearRow
	Invoices  []store.RecentInvoicesRow
}

func (s *site) sales(ctx context.Context) (sales, error) {
	return cache.GetOrLoad(ctx, s.Cache, keySales, s.loadSales, &cache.LoadOptions{TTL: fresh})
}

// loadSales reads everything in one snapshot, so that the numbers add up while
// others write.
func (s *site) loadSales(ctx context.Context) (v sales, err error) {
	err = s.DB.Tx(ctx, snapshot(), func(tx pgx.Tx) error {
		q := store.New(tx)
		if v.Summary, err = q.Summary(ctx); err != nil {
			return err
		}
		if v.Customers, err = q.BestCustomers(ctx, 5); err != nil {
			return err
		}
		if v.Genres, err = q.TopGenres(ctx, 6); err != nil {
			return err
		}
		if v.Years, err = q.SalesByYear(ctx); err != nil {
			return err
		}
		v.Invoices, err = q.RecentInvoices(ctx, 14)
		return err
	})
	return v, err
}

// album is a record as the catalogue shows it.
type album struct {
	store.CatalogueRow

	Cover int64 // changes with the picture
}

// maxAlbums is how many the catalogue shows, those that sell best first.
const maxAlbums = 24

func (s *site) catalogue(ctx context.Context) ([]album, error) {
	return cache.GetOrLoad(ctx, s.Cache, keyCatalogue, s.loadCatalogue, &cache.LoadOptions{TTL: fresh})
}

func (s *site) loadCatalogue(ctx context.Context) ([]album, error) {
	rows, err := s.queries().Catalogue(ctx, maxAlbums)
	if err != nil {
		return nil, err
	}
	bucket, err := s.Files.Open(ctx)
	if err != nil {
		return nil, err
	}
	changed := map[string]int64{}
	files, failed := bucket.List(&blob.ListOptions{Prefix: covers}).All(ctx)
	for file := range files {
		changed[file.Key] = file.ModTime.UnixMilli()
	}
	if err := failed(); err != nil {
		return nil, err
	}
	albums := make([]album, len(rows))
	for i, row := range rows {
		albums[i] = album{row, changed[coverKey(row.AlbumID)]}
	}
	return albums, nil
}

// forget drops what is no longer so. If Redis is down, the change stands all
// the same, and what is cached ends in its time.
func (s *site) forget(ctx context.Context, key string) {
	if err := s.Cache.Del(ctx, key).Err(); err != nil {
		s.log.WarnContext(ctx, "web: what is cached is shown for a while", "error", err)
	}
}

// upkeep is what a store's pages say of the store's cache and files.
type upkeep struct {
	Hits, Reads int64
	Stored      storage.Amount
}

func (s *site) upkeep(ctx context.Context, t tenant.Tenant) (u upkeep, err error) {
	stats, err := s.Cache.Stats(ctx)
	if err != nil {
		return u, err
	}
	u.Hits, u.Reads = stats.Hits, stats.Hits+stats.Misses
	u.Stored, err = s.Files.Used(ctx, t)
	if errors.Is(err, storage.ErrUncounted) { // by this process
		u.Stored, err = s.Files.Recount(ctx, t)
	}
	return u, err
}

// Rate is how many of the reads found what they looked for.
func (u upkeep) Rate() string {
	if u.Reads == 0 {
		return "–"
	}
	return fmt.Sprintf("%d %%", u.Hits*100/u.Reads)
}

// Size is how much is stored.
func (u upkeep) Size() string { return fmt.Sprintf("%.1f kB", float64(u.Stored.Bytes)/1000) }
