package background

import (
	"context"
	"net/http"
)

type UnimplementedOrdersServer struct{}

type orders struct{ UnimplementedOrdersServer }

type request struct{}

func work(ctx context.Context) {}

func Rollback(ctx context.Context) {}

func register(mux *http.ServeMux) {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		work(context.Background()) // want `context.Background here loses the tenant and the deadline; use r.Context\(\)`
		ctx := context.TODO()      // want `context.TODO here`
		work(ctx)
		work(context.WithoutCancel(r.Context()))
		defer Rollback(context.Background())
	})
}

func (*orders) List(ctx context.Context, _ *request) (*request, error) {
	inner := context.Background() // want `use ctx, or context.WithoutCancel\(ctx\)`
	work(inner)
	return nil, nil
}

func plain(ctx context.Context) {
	work(context.Background()) // want `use ctx`
}

func lives(ctx context.Context) context.CancelFunc {
	if ctx == nil {
		ctx = context.Background()
	}
	_, stop := context.WithCancel(context.Background())
	go func() { work(context.Background()) }()
	return stop
}

func blank(http.ResponseWriter, *http.Request) {
	work(context.Background()) // want `use the request's context`
}

func hidden(w http.ResponseWriter, r *http.Request) {
	{
		r := 1
		_ = r
		work(context.Background()) // want `use r.Context\(\)`
	}
}

func later(w http.ResponseWriter, r *http.Request) {
	go func() {
		work(context.Background()) // want `context.WithoutCancel\(r.Context\(\)\)`
	}()
}

func start() { work(context.Background()) }
