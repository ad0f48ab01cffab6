package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// What every program has around the part that is about tenants: that part is
// in main.go.

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := withServer(ctx, run)
	stop()
	if err != nil {
		log.Fatal("minimal: ", err)
	}
}

// withServer runs fn on the servers in the environment, or on a private one.
func withServer(ctx context.Context, fn func(context.Context) error) (err error) {
	if os.Getenv("CATALOG_URL")+os.Getenv("APP_URL")+os.Getenv("MIGRATOR_URL") != "" {
		return fn(ctx)
	}
	server, err := private.Start(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()
	urls, err := server.Create(ctx, "catalog", "orders")
	if err != nil {
		return err
	}
	for name, url := range map[string]string{
		"CATALOG_URL": urls[0], "MIGRATOR_URL": urls[1], "APP_URL": server.As(urls[1], "orders_app"),
	} {
		if err := os.Setenv(name, url); err != nil {
			return err
		}
	}
	return fn(ctx)
}

//go:embed orders.sql
var ordersSQL string

// migrate makes the table. It is the same in all strategies, so it needs not
// look at where it is.
func migrate(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
	_, err := conn.Exec(ctx, ordersSQL)
	return err
}

// signUp makes tenants that share their tables, unless they are there already.
func signUp(ctx context.Context, tenants *pgtenant.Catalog, slugs ...string) error {
	for _, slug := range slugs {
		_, err := tenants.Create(ctx, tenant.Spec{
			Slug: slug, Status: tenant.Active,
			Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared},
		})
		if err != nil && !errors.Is(err, tenant.ErrSlugTaken) {
			return err
		}
	}
	return nil
}

// answer sends the items, or the status that goes with an error.
func answer(w http.ResponseWriter, items []string, err error) {
	if err != nil {
		log.Print(err)
		status := httptenant.StatusOf(err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	fmt.Fprintln(w, items)
}

// serve serves this machine until ctx ends, on PORT or 8080.
func serve(ctx context.Context, h http.Handler) error {
	address := net.JoinHostPort("localhost", cmp.Or(os.Getenv("PORT"), "8080"))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return err
	}
	fmt.Printf("curl -d item=tea http://acme.localhost:%[1]s/orders; curl http://{acme,globex}.localhost:%[1]s/orders\n", port)
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // requests end with it, and with ctx
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
