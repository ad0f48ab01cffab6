package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/check"
	"github.com/partywall/partywall/internal/pgtest"
)

// These tests tear down what is around caches and buckets, from below: the
// stones of the library's walls are taken out one by one in its own tests.

// oneRoom is a connection to Redis on which all stores have one prefix. What
// goes in its place is as long.
type oneRoom struct{ net.Conn }

// Write implements io.Writer.
func (c oneRoom) Write(p []byte) (int, error) {
	return c.Conn.Write(regexp.MustCompile(`:t\d\.[a-z2-7]{10}:`).ReplaceAll(p, []byte(":t0.aaaaaaaaaa:")))
}

func TestCheckFindsCachesTornDown(t *testing.T) {
	t.Parallel()
	h := place(t, pgtest.New(t, nil).URL, withShared)
	h.config.Redis.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return oneRoom{conn}, err
	}
	h.serve(t, h.open(t))
	h.mustFind(t, check.Leak)
}

// TestCheckFindsFoldersTornDown has one store's folder lead to another's.
func TestCheckFindsFoldersTornDown(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.New(t, nil).URL, withShared)
	tenants := filepath.Join(h.config.Folder, "stores", "tenants")
	if err := os.RemoveAll(filepath.Join(tenants, "2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("1", filepath.Join(tenants, "2")); err != nil {
		t.Fatal(err)
	}
	h.mustFind(t, check.Leak)
}

// credulous serves files to whoever names one.
type credulous struct{ folder http.FileSystem }

// ServeHTTP implements http.Handler.
func (c credulous) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, err := c.folder.Open(r.URL.Query().Get("obj"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }()
	_, _ = io.Copy(w, file)
}

func TestCheckFindsSignaturesTornDown(t *testing.T) {
	t.Parallel()
	h := place(t, pgtest.New(t, nil).URL, withShared)
	c := h.open(t)
	c.Depot = credulous{http.Dir(filepath.Join(h.config.Folder, "stores"))}
	h.serve(t, c)
	h.mustFind(t, check.Leak)
}

// mustFind has the check find something of the kind.
func (h *house) mustFind(t *testing.T, kind string) {
	t.Helper()
	found := h.finds(t, kind)
	if found == "" {
		t.Fatalf("the check finds no %s", kind)
	}
	t.Log(found)
}
