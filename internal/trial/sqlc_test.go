package trial_test

import (
	"context"
	_ "embed"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/partywall/partywall/internal/trial/sqlcgen"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

//go:embed sqlcgen/schema.sql
var sqlcSchema string

var _ sqlcgen.DBTX = (*isolation.DB)(nil)

// TestSqlc runs code that sqlc has generated, unchanged, on the wall.
func TestSqlc(t *testing.T) {
	t.Parallel()
	everywhere(t, sqlcSchema+`;SELECT partywall.protect('artist'), partywall.protect('album')`, fillSqlc, readSqlc, changeSqlc)
}

func price(cents int64) pgtype.Numeric {
	return pgtype.Numeric{Int: big.NewInt(cents), Exp: -2, Valid: true}
}

func fillSqlc(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	q := sqlcgen.New(h.DB)
	born := pgtype.Date{Time: time.Date(1947, 1, 8, 0, 0, 0, 0, time.UTC), Valid: true}
	made, err := q.CreateArtist(ctx, sqlcgen.CreateArtistParams{ID: 1, Name: "first of " + who.Slug, Born: born})
	if err != nil || made.TenantID != who.Number || !made.Born.Time.Equal(born.Time) {
		t.Fatalf("CreateArtist = %+v, %v", made, err)
	}
	n, err := q.CopyArtists(ctx, []sqlcgen.CopyArtistsParams{
		{ID: 2, Name: "second of " + who.Slug}, {ID: 3, Name: "third of " + who.Slug, Born: born},
	})
	if err != nil || n != 2 {
		t.Fatalf("CopyArtists = %d, %v", n, err)
	}
	albums := []sqlcgen.CreateAlbumParams{
		{ID: 1, ArtistID: 1, Title: "one of " + who.Slug, Price: price(999), Tags: []string{"a", who.Slug}},
		{ID: 2, ArtistID: 1, Title: "two of " + who.Slug, Price: price(1250), Tags: []string{}},
	}
	q.CreateAlbum(ctx, albums).Exec(func(i int, err error) {
		if err != nil {
			t.Errorf("CreateAlbum %d: %v", i, err)
		}
	})
}

func readSqlc(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	q := sqlcgen.New(h.DB)
	artists, err := q.ListArtists(ctx)
	if err != nil || len(artists) != 3 {
		t.Fatalf("ListArtists = %d artists, %v, want 3", len(artists), err)
	}
	for i, a := range artists {
		if want := []string{"first of ", "second of ", "third of "}[i] + who.Slug; a.Name != want || a.TenantID != who.Number {
			t.Errorf("artist %d = %+v, want %q", i, a, want)
		}
	}
	catalogue, err := q.Catalogue(ctx, []int64{1, 2, 3})
	if err != nil || len(catalogue) != 2 {
		t.Fatalf("Catalogue = %d albums, %v, want 2", len(catalogue), err)
	}
	first := catalogue[0]
	cents, err := first.Price.Float64Value()
	if err != nil || cents.Float64 != 9.99 || !slices.Equal(first.Tags, []string{"a", who.Slug}) || first.Artist.Name != "first of "+who.Slug {
		t.Errorf("Catalogue begins with %+v, %v", first, err)
	}
	q.AlbumTitle(ctx, []int64{1, 2}).QueryRow(func(i int, title string, err error) {
		if want := []string{"one of ", "two of "}[i] + who.Slug; err != nil || title != want {
			t.Errorf("AlbumTitle = %q, %v, want %q", title, err, want)
		}
	})
	q.AlbumsOf(ctx, []int64{1, 2}).Query(func(i int, titles []string, err error) {
		if want := []int{2, 0}[i]; err != nil || len(titles) != want {
			t.Errorf("AlbumsOf = %q, %v, want %d", titles, err, want)
		}
	})
}

func changeSqlc(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	q := sqlcgen.New(h.DB)
	err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
		if _, err := q.WithTx(tx).RenameArtist(ctx, sqlcgen.RenameArtistParams{ID: 1, Name: "not for long"}); err != nil {
			return err
		}
		return errTakenBack
	})
	if !errors.Is(err, errTakenBack) {
		t.Error(err)
	}
	if a, err := q.GetArtist(ctx, 1); err != nil || a.Name != "first of "+who.Slug {
		t.Errorf("after a rollback: %+v, %v", a, err)
	}
	err = h.Tx(ctx, nil, func(tx pgx.Tx) error {
		in := q.WithTx(tx)
		if err := in.DeleteAlbums(ctx, 1); err != nil {
			return err
		}
		tag, err := in.DeleteArtist(ctx, 1)
		if err == nil && tag.RowsAffected() != 1 {
			t.Errorf("deleted %d artists, want 1", tag.RowsAffected())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := q.RenameArtist(ctx, sqlcgen.RenameArtistParams{ID: 1, Name: "nobody"}); err != nil || n != 0 {
		t.Errorf("renamed %d artists that are gone, %v", n, err)
	}
	if _, err := q.GetArtist(ctx, 1); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("the deleted artist: %v, want ErrNoRows", err)
	}
	if _, err := q.GetArtist(tenant.Without(ctx), 2); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("without a tenant: %v, want ErrNoTenant", err)
	}
}
