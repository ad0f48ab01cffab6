package storage_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stopping is a context for the end of a test, whose own has ended.
func stopping() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}

// patient returns a client that waits for an answer for so long.
func patient(limit time.Duration) *http.Client { return &http.Client{Timeout: limit} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func containsText(err error, part string) bool { return strings.Contains(err.Error(), part) }
