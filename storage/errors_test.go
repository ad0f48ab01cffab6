package storage_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

// discreet fails the test if an error does not name the key, or says where it is.
func discreet(t *testing.T, what, key string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, part := range []string{"tenants", storagetest.SharedBucket, "files/", "trash/"} {
		if containsText(err, part) {
			t.Errorf("%s: it tells of %q: %v", what, part, err)
		}
	}
	if key != "" && !containsText(err, key) {
		t.Errorf("%s: it does not say %q: %v", what, key, err)
	}
}

// TestErrorsSayTheTenantsNames: errors name the tenant's key, and nothing of what
// it is called in the store; what is below can be asked for.
func TestErrorsSayTheTenantsNames(t *testing.T) {
	t.Parallel()
	server := newFaulty(t)
	for name, account := range map[string]storage.Maker{
		"memory": &storagetest.Memory{}, "folder": files(t), "S3": s3bucket.New(client(server.URL), nil),
	} {
		h := storagetest.NewHouse(t, account)
		b := h.Buckets(t, &storage.Options{Trash: time.Hour})
		ctx, bucket := storagetest.As(t, b, h.Acme)
		_, read := bucket.ReadAll(ctx, "jane")
		_, attributes := bucket.Attributes(ctx, "jane")
		for what, err := range map[string]error{
			"read": read, "attributes": attributes, "delete": bucket.Delete(ctx, "jane"), "copy": bucket.Copy(ctx, "joe", "jane", nil),
			"restore": b.Restore(ctx, "jane"),
		} {
			key := "jane"
			if what == "restore" {
				key = ""
			}
			discreet(t, name+": "+what, key, err)
			if gcerrors.Code(err) != gcerrors.NotFound {
				t.Errorf("%s: %s: %v has code %v", name, what, err, gcerrors.Code(err))
			}
		}
		var path *os.PathError
		var missing *types.NoSuchKey
		if name == "folder" && !errors.As(read, &path) || name == "S3" && !errors.As(read, &missing) {
			t.Errorf("%s: what is below cannot be had: %v", name, read)
		}
	}
}

// TestErrorsOfTheWay: neither does a connection that fails, on which clients say
// the whole URL.
func TestErrorsOfTheWay(t *testing.T) {
	t.Parallel()
	server := newFaulty(t)
	h := storagetest.NewHouse(t, s3bucket.New(client(server.URL), nil))
	ctx, bucket := storagetest.As(t, h.Buckets(t, &storage.Options{Trash: time.Hour}), h.Acme)
	must(t, bucket.WriteAll(ctx, "jane", []byte("x"), nil))
	writing, err := bucket.NewWriter(ctx, "joe", &blob.WriterOptions{ContentType: "text/plain"})
	must(t, err)
	_, err = writing.Write([]byte("x"))
	must(t, err)
	ending, cancel := context.WithCancel(ctx)
	server.hold.Store(true)
	go func() {
		<-server.held
		cancel()
	}()
	_, err = bucket.ReadAll(ending, "jane")
	discreet(t, "an end", "", err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	server.CloseClientConnections()
	server.Close()
	_, err = bucket.ReadAll(ctx, "jane")
	discreet(t, "read", "jane", err)
	var address *url.Error
	if !errors.As(err, &address) {
		t.Errorf("what is below cannot be had: %v", err)
	}
	discreet(t, "write", "joe", writing.Close())
	discreet(t, "delete", "jane", bucket.Delete(ctx, "jane"))
	_, err = bucket.List(nil).Next(ctx)
	discreet(t, "list", "", err)
	_, err = bucket.SignedURL(ctx, "jane", &blob.SignedURLOptions{Method: http.MethodPut})
	discreet(t, "sign", "jane", err)
}
