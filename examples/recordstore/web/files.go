package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/examples/recordstore/cover"
	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/tenant"
)

// PathFiles is where signed URLs lead, on the chain's own host.
const PathFiles = "/files"

// covers begins the names of all covers.
const covers = "covers/"

// maxCover bounds what is read of an upload. The store's quota is behind it.
const maxCover = 1 << 20

func coverKey(album int32) string { return covers + strconv.Itoa(int(album)) }

// kept opens a file of the store's. One that is not there yet is made, and kept
// from then on.
func (s *site) kept(ctx context.Context, key, contentType string, content func(context.Context) ([]byte, error)) (*blob.Reader, error) {
	bucket, err := s.Files.Open(ctx)
	if err != nil {
		return nil, err
	}
	file, err := bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) != gcerrors.NotFound {
		return file, err
	}
	text, err := content(ctx)
	if err != nil {
		return nil, err
	}
	// Whoever was faster may have brought something better.
	err = bucket.WriteAll(ctx, key, text, &blob.WriterOptions{ContentType: contentType, IfNotExist: true})
	if err != nil && gcerrors.Code(err) != gcerrors.FailedPrecondition {
		return nil, err
	}
	return bucket.NewReader(ctx, key, nil)
}

// send answers with a file, and closes it.
func send(w http.ResponseWriter, file *blob.Reader, caching string) {
	defer func() { _ = file.Close() }() // nothing was written
	h := w.Header()
	h.Set("Content-Type", file.ContentType())
	h.Set("Content-Length", strconv.FormatInt(file.Size(), 10))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", caching)
	_, _ = io.Copy(w, file) // the client may have gone
}

// cover shows the cover that the store has for an album, or draws one.
func (s *site) cover(w http.ResponseWriter, r *http.Request) error {
	file, _, err := s.openCover(r)
	if err != nil {
		return err
	}
	caching := "no-store"
	if r.URL.Query().Has("v") { // another picture has another address
		caching = "private, max-age=3600"
	}
	send(w, file, caching)
	return nil
}

func (s *site) openCover(r *http.Request) (*blob.Reader, string, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, "", err
	}
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		return nil, "", err
	}
	key := coverKey(id)
	file, err := s.kept(r.Context(), key, "image/png", func(ctx context.Context) ([]byte, error) {
		album, err := s.queries().Album(ctx, id)
		if err != nil {
			return nil, err
		}
		return cover.Draw(album.Title, album.Artist, t.Slug)
	})
	return file, key, err
}

// linkCover leads to where anybody can see a cover for a quarter of an hour,
// without the store, and without this program where files are in a cloud.
func (s *site) linkCover(w http.ResponseWriter, r *http.Request) error {
	file, key, err := s.openCover(r)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	bucket, err := s.Files.Open(r.Context())
	if err != nil {
		return err
	}
	signed, err := bucket.SignedURL(r.Context(), key, nil)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "http://"+s.baseOf(r)+signed, http.StatusSeeOther) //nolint:gosec // G710: of the client's words it has the port alone
	return nil
}

// putCover takes the store's own cover for an album. Whether it is a picture,
// and not too large, the store's bucket decides.
func (s *site) putCover(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	if _, err := s.queries().Album(r.Context(), id); err != nil {
		return err
	}
	picture, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCover))
	if err != nil {
		return fmt.Errorf("%w: cover: %w", tenant.ErrInvalid, err)
	}
	bucket, err := s.Files.Open(r.Context())
	if err != nil {
		return err
	}
	opts := &blob.WriterOptions{ContentType: r.Header.Get("Content-Type")}
	if err := bucket.WriteAll(r.Context(), coverKey(id), picture, opts); err != nil {
		return err
	}
	s.forget(r.Context(), keyCatalogue)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteCover takes the store's own cover away. The next visitor has one drawn.
func (s *site) deleteCover(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	bucket, err := s.Files.Open(r.Context())
	if err != nil {
		return err
	}
	if err := bucket.Delete(r.Context(), coverKey(id)); err != nil {
		return err
	}
	s.forget(r.Context(), keyCatalogue)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// invoiceText shows an invoice as it was written when it was first asked for:
// what a customer has been sent does not change.
func (s *site) invoiceText(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		return err
	}
	key := "invoices/" + strconv.Itoa(int(id)) + ".txt"
	file, err := s.kept(r.Context(), key, "text/plain; charset=utf-8", func(ctx context.Context) ([]byte, error) {
		sold, err := s.readInvoice(ctx, id)
		if err != nil {
			return nil, err
		}
		return sold.text(t.Name), nil
	})
	if err != nil {
		return err
	}
	send(w, file, "no-store")
	return nil
}

// text writes the invoice of a store for people.
func (i *Invoice) text(store string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "Record store of %s\nInvoice %d of %s\nfor %s %s\n\n",
		store, i.InvoiceID, i.InvoiceDate.Format("2 January 2006"), i.FirstName, i.LastName)
	row := func(what, amount string) { fmt.Fprintf(&out, "%-70s %12s\n", what, amount) }
	for _, line := range i.Lines {
		row(fmt.Sprintf("%d × %s, from %s by %s", line.Quantity, line.Track, line.Album, line.Artist), (money.Amount(line.Quantity) * line.UnitPrice).Dollars())
	}
	row("Total", i.Total.Dollars())
	return out.Bytes()
}
