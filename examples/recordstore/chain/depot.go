package chain

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"gocloud.dev/blob/fileblob"

	"github.com/partywall/partywall/storage/filebucket"
)

// depot stands in for a cloud's object store: it keeps buckets in a folder, and
// serves a file to whoever has a signed URL. It knows no tenants.
type depot struct {
	account *filebucket.Account
	signer  *fileblob.URLSignerHMAC
}

// newDepot returns a depot whose signed URLs lead to a path.
func newDepot(folder, path string) (*depot, error) {
	d := &depot{signer: fileblob.NewURLSignerHMAC(&url.URL{Path: path}, []byte(rand.Text()))}
	var err error
	d.account, err = filebucket.New(folder, &filebucket.Options{Signer: d.signer})
	return d, err
}

// ServeHTTP implements http.Handler.
func (d *depot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, err := d.signer.KeyFromURL(r.Context(), r.URL)
	if err != nil || r.URL.Query().Get("method") != r.Method {
		http.Error(w, "This URL is not signed, or no longer.", http.StatusForbidden)
		return
	}
	shelf, err := d.account.Open(r.Context(), bucket)
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
