package embedded_test

import (
	"archive/zip"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/embedded"
)

// repository serves an archive as Maven does. The programs in it are scripts
// that run this machine's PostgreSQL, so the path from the download to a
// running server is real and small.
func repository(t *testing.T) string {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r) // the checksum, which may be missing

			return
		}

		archive, err := os.ReadFile("testdata/postgres.txz")
		if err != nil {
			t.Error(err)
		}

		jar := zip.NewWriter(w)

		file, err := jar.Create("postgres-linux-x86_64.txz")
		if err != nil {
			t.Error(err)
		}

		if _, err := file.Write(archive); err != nil {
			t.Error(err)
		}

		if err := jar.Close(); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)

	return server.URL
}

func TestDownload(t *testing.T) {
	t.Parallel()

	server := start(t, &embedded.Options{
		Sources:     []embedded.Source{embedded.Download},
		DownloadURL: repository(t),
	})
	if got := database(t, server.URL("postgres")); got != "postgres" {
		t.Errorf("database = %q", got)
	}
}

func TestDownloadUnreachable(t *testing.T) {
	t.Parallel()

	url := "http://" + closedPort(t)

	err := fails(t, &embedded.Options{Sources: []embedded.Source{embedded.Download}, DownloadURL: url})
	if !strings.Contains(err.Error(), "embedded: download: unable to connect to "+url) {
		t.Errorf("error is not clear: %v", err)
	}
}

func TestDownloadThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))

	t.Cleanup(func() {
		close(release)
		server.Close()
	})

	err := fails(t, &embedded.Options{
		Sources:         []embedded.Source{embedded.Download},
		DownloadURL:     server.URL,
		DownloadTimeout: 10 * time.Millisecond,
	})
	if !strings.Contains(err.Error(), "gave up after 10ms") {
		t.Errorf("error is not clear: %v", err)
	}
}
