package storage_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// request sends one and returns its status and content.
func request(t *testing.T, method, address, contentType, content string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(content))
	must(t, err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := patient(10 * time.Second).Do(r)
	must(t, err)
	defer func() { must(t, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(body)
}

// TestSignedURLs changes signed URLs in every part, on a server that checks
// them.
func TestSignedURLs(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, s3bucket.New(client(serve(t).URL()), nil))
	buckets := h.Buckets(t, &storage.Options{Sign: storage.Sign{Methods: []string{"GET", "PUT"}, MaxLife: time.Minute}})
	ctx, b := storagetest.As(t, buckets, h.Acme)
	other, g := storagetest.As(t, buckets, h.Globex)
	must(t, b.WriteAll(ctx, "file", []byte("acme's"), nil))
	must(t, g.WriteAll(other, "file", []byte(storagetest.Secret), nil))

	get, err := b.SignedURL(ctx, "file", nil)
	must(t, err)
	if status, text := request(t, http.MethodGet, get, "", ""); status != http.StatusOK || text != "acme's" {
		t.Fatalf("the URL is not good: %d %s", status, text)
	}
	put, err := b.SignedURL(ctx, "upload", &blob.SignedURLOptions{Method: "PUT", ContentType: "image/png", Expiry: time.Minute})
	must(t, err)
	if status, text := request(t, http.MethodPut, put, "image/png", "png"); status != http.StatusOK {
		t.Fatalf("the URL is not good: %d %s", status, text)
	}
	for what, try := range map[string]func() (int, string){
		"another's key": func() (int, string) {
			return request(t, "GET", strings.Replace(get, "tenants/1/", "tenants/10/", 1), "", "")
		},
		"another key": func() (int, string) {
			return request(t, "GET", strings.Replace(get, "files/file", "files/upload", 1), "", "")
		},
		"a way up": func() (int, string) {
			return request(t, "GET", strings.Replace(get, "1/files", "1/../10/files", 1), "", "")
		},
		"a longer life":   func() (int, string) { return request(t, "GET", with(t, get, "X-Amz-Expires", "604800"), "", "") },
		"another method":  func() (int, string) { return request(t, "PUT", get, "", "changed") },
		"deletion":        func() (int, string) { return request(t, "DELETE", get, "", "") },
		"deletion by PUT": func() (int, string) { return request(t, "DELETE", put, "image/png", "") },
		"another type":    func() (int, string) { return request(t, "PUT", put, "text/html", "<script>") },
		"another response": func() (int, string) {
			return request(t, "GET", with(t, get, "response-content-type", "text/html"), "", "")
		},
	} {
		if status, _ := try(); status < 400 {
			t.Errorf("%s: status %d", what, status)
		}
	}
	if got, err := b.ReadAll(ctx, "file"); err != nil || string(got) != "acme's" {
		t.Errorf("the file is %q, %v", got, err)
	}
}

// with returns a URL with one parameter changed.
func with(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestSignedURLsRefused(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, s3bucket.New(client(fake(t)), nil))
	all := storage.Sign{Methods: []string{"GET", "PUT", "DELETE"}}
	quota := func(tenant.Tenant) storage.Quota { return storage.Quota{Bytes: 1} }
	png := &blob.SignedURLOptions{Method: "PUT", ContentType: "image/png"}
	for what, c := range map[string]struct {
		options storage.Options
		ask     *blob.SignedURLOptions
	}{
		"a method":      {storage.Options{}, png},
		"a life":        {storage.Options{Sign: storage.Sign{MaxLife: time.Minute}}, &blob.SignedURLOptions{Expiry: 2 * time.Minute}},
		"a callback":    {storage.Options{}, &blob.SignedURLOptions{BeforeSign: func(func(any) bool) error { return nil }}},
		"any type":      {storage.Options{Sign: all}, &blob.SignedURLOptions{Method: "PUT"}},
		"a script":      {storage.Options{Sign: all}, &blob.SignedURLOptions{Method: "PUT", ContentType: "text/html"}},
		"past quota":    {storage.Options{Sign: all, Quota: quota}, png},
		"past trash":    {storage.Options{Sign: all, Trash: time.Hour}, &blob.SignedURLOptions{Method: "DELETE"}},
		"sealed files":  {storage.Options{Keys: storagetest.Keys{}}, nil},
		"a wrong key":   {storage.Options{}, nil},
		"what may pass": {storage.Options{Sign: all}, png}, // the control
	} {
		ctx, b := storagetest.As(t, h.Buckets(t, &c.options), h.Acme)
		key := "file"
		if what == "a wrong key" {
			key = "../file"
		}
		if _, err := b.SignedURL(ctx, key, c.ask); (err == nil) != (what == "what may pass") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
