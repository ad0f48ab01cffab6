package s3bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/partywall/partywall/internal/s3server"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

// refusal is what S3 answers to a copy of more than 5 GiB.
const refusal = `<?xml version="1.0"?><Error><Code>InvalidRequest</Code><Message>The specified copy source is larger than the ` +
	`maximum allowable size for a copy source: 5368709120</Message></Error>`

// strict is a real S3 server that refuses to copy an object as a whole. It counts
// the parts that are copied.
type strict struct {
	url   string
	parts atomic.Int64
	fail  atomic.Int64 // the part that is refused too; 0 is none
}

func newStrict(t *testing.T) *strict {
	t.Helper()
	server, err := s3server.Start(t.Context())
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(t, server.Stop(ctx))
	})
	target, err := url.Parse(server.URL())
	must(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is signed
	}}
	s := &strict{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copies := r.Header.Get("X-Amz-Copy-Source") != ""
		if part := r.URL.Query().Get("partNumber"); copies && (part == "" || s.parts.Add(1) == s.fail.Load()) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, refusal)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

// TestCopyLarge: what is too large for a copy is copied in parts, with all that
// is said of it; so it can be deleted where there is a trash, and brought back.
func TestCopyLarge(t *testing.T) {
	t.Parallel()
	server := newStrict(t)
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(server.url), UsePathStyle: true, Region: s3server.Region,
		Credentials: credentials.NewStaticCredentialsProvider(s3server.AccessKey, s3server.SecretKey, ""),
	})
	account := s3bucket.New(client, nil)
	account.Shrink(6<<20, 5<<20)
	h := storagetest.NewHouse(t, account)
	b := h.Buckets(t, &storage.Options{Trash: time.Hour})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	content := bytes.Repeat([]byte("0123456789abcdef"), 11<<16)
	as := &blob.WriterOptions{ContentType: "image/png", CacheControl: "no-store", Metadata: map[string]string{"k": "v"}}
	must(t, bucket.WriteAll(ctx, "a ../large", content, as))
	must(t, bucket.Copy(ctx, "copy", "a ../large", nil))
	if got := server.parts.Load(); got != 3 {
		t.Errorf("copied in %d parts", got)
	}
	must(t, bucket.Delete(ctx, "copy"))
	must(t, b.Restore(ctx, "copy"))
	got, err := bucket.ReadAll(ctx, "copy")
	must(t, err)
	if !bytes.Equal(got, content) {
		t.Errorf("the copy has %d bytes", len(got))
	}
	a, err := bucket.Attributes(ctx, "copy")
	must(t, err)
	if a.ContentType != "image/png" || a.CacheControl != "no-store" || a.Metadata["k"] != "v" {
		t.Errorf("got %+v", a)
	}

	// A part that fails leaves nothing; and what is not too large fails as it did.
	server.fail.Store(server.parts.Load() + 2)
	if err := bucket.Copy(ctx, "failed", "a ../large", nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
	if ok, err := bucket.Exists(ctx, "failed"); ok || err != nil {
		t.Errorf("half a copy is there: %v, %v", ok, err)
	}
	uploads, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(storagetest.SharedBucket)})
	must(t, err)
	if len(uploads.Uploads) > 0 {
		t.Errorf("%d uploads are open", len(uploads.Uploads))
	}
	must(t, bucket.WriteAll(ctx, "small", []byte("x"), nil))
	var coded interface{ ErrorCode() string }
	if err := bucket.Copy(ctx, "other", "small", nil); !errors.As(err, &coded) || coded.ErrorCode() != "InvalidRequest" {
		t.Errorf("got %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
