package chain

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/filebucket"
)

var _ storage.Maker = (*depot)(nil)

// depot stands in for a cloud's object store: it keeps buckets in a folder, and
// serves a file to whoever has a signed URL. It knows no tenants.
type depot struct {
	*filebucket.Account

	folder, path string
	key          string // signs
}

// newDepot returns a depot whose signed URLs lead to a path, and below it to
// the bucket.
func newDepot(folder, path string) (*depot, error) {
	account, err := filebucket.New(folder, nil)
	return &depot{Account: account, folder: folder, path: path, key: rand.Text()}, err
}

// signer signs for one bucket.
func (d *depot) signer(bucket string) *fileblob.URLSignerHMAC {
	return fileblob.NewURLSignerHMAC(&url.URL{Path: d.path + "/" + bucket}, []byte(d.key+bucket))
}

// Open implements [storage.Account].
func (d *depot) Open(ctx context.Context, bucket string) (*blob.Bucket, error) {
	account, err := filebucket.New(d.folder, &filebucket.Options{Signer: d.signer(bucket)})
	if err != nil {
		return nil, err
	}
	return account.Open(ctx, bucket)
}

// ServeHTTP implements [http.Handler], on a pattern that names the bucket.
func (d *depot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket := r.PathValue("bucket")
	name, err := d.signer(bucket).KeyFromURL(r.Context(), r.URL)
	if err != nil || r.URL.Query().Get("method") != r.Method {
		http.Error(w, "This URL is not signed, or no longer.", http.StatusForbidden)
		return
	}
	shelf, err := d.Open(r.Context(), bucket)
	if err != nil {
		http.Error(w, "The depot is closed.", http.StatusServiceUnavailable)
		return
	}
	defer func() { _ = shelf.Close() }() // nothing was written
	file, err := shelf.NewReader(r.Context(), name, nil)
	if err != nil {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	defer func() { _ = file.Close() }()
	w.Header().Set("Content-Type", file.ContentType())
	w.Header().Set("Content-Length", strconv.FormatInt(file.Size(), 10))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.Copy(w, file) // the client may have gone
}
