package storage_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/partywall/partywall/internal/s3server"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/filebucket"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

func TestKitMemory(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) storage.Maker { return &storagetest.Memory{} })
}

func TestKitFiles(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Maker { return files(t) })
}

func TestKitFakeS3(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Maker { return s3bucket.New(client(fake(t)), nil) })
}

func TestKitS3Server(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Maker { return s3bucket.New(client(serve(t).URL()), nil) })
}

// files returns an account in a folder of the test's.
func files(t testing.TB) *filebucket.Account {
	t.Helper()
	a, err := filebucket.New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fake starts an S3 server in this process and returns its URL.
func fake(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	return server.URL
}

// serve starts an S3 server of the test's own.
func serve(t testing.TB) *s3server.Server {
	t.Helper()
	s, err := s3server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := stopping()
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client returns a client that does not wait or try again for long.
func client(url string) *s3.Client { return clientFor(url, 5*time.Second) }

// clientFor returns one that waits for so long for an answer to end.
func clientFor(url string, limit time.Duration) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(url), UsePathStyle: true, Region: s3server.Region,
		Credentials:      credentials.NewStaticCredentialsProvider(s3server.AccessKey, s3server.SecretKey, ""),
		RetryMaxAttempts: 2,
		RetryMode:        aws.RetryModeStandard,
		HTTPClient:       patient(limit),
	})
}
