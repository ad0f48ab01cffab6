package goroutine

import (
	"context"
	"net/http"
	"sync"
	"time"
)

func work(ctx context.Context) {}

func direct(w http.ResponseWriter, r *http.Request) {
	go work(r.Context()) // want `goroutine with the request's context outlives the handler`
}

func derived(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithTimeout(r.Context(), time.Second)
	defer stop()
	go func() { // want `goroutine with the request's context`
		work(ctx)
	}()
}

func detached(w http.ResponseWriter, r *http.Request) {
	ctx := context.WithoutCancel(r.Context())
	go work(ctx)
	go work(context.WithoutCancel(r.Context()))
}

func waits(w http.ResponseWriter, r *http.Request) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Add(1)
	go func() { defer wg.Done(); work(r.Context()) }()
}

func receives(w http.ResponseWriter, r *http.Request) {
	done := make(chan struct{})
	go func() { work(r.Context()); close(done) }()
	<-done
}

func nested(w http.ResponseWriter, r *http.Request) {
	var wg sync.WaitGroup
	start := func() { go func() { defer wg.Done(); work(r.Context()) }() }
	wg.Add(1)
	start()
	wg.Wait()
}

func job(ctx context.Context) { go work(ctx) }
