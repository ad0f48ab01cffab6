// Command recordstore is a chain of record stores, a tenant per country, on
// subdomains of localhost. Some stores share their tables, some have a schema
// of their own, some a database; the pages and their SQL are the same.
//
//	go run ./examples/recordstore
//	go run ./examples/recordstore -data path/to/chinook -check
//	make demo-tls
//
// It starts a private PostgreSQL, or makes databases of its own on the one in
// DATABASE_URL, fills them, opens a new store of each kind and prints what each
// step took, and serves until it is interrupted; more stores sign up on its page.
// Caches are in a Redis inside the program, or in the one in REDIS_URL; covers
// and invoices are files in a temporary folder. Nothing is left behind but the
// wall's own roles, which may be another database's too and which nobody can log
// in as.
//
// With -tls the stores have domains of their own as well, and are served over
// HTTPS: the DNS server and the certificate authority are the program's own too.
//
// With -data it reads the CSV files of the Chinook sample database, otherwise it
// makes up its records. With -check it visits and attacks itself over HTTP
// instead, and exits with 1 when a sum is wrong or a row of one store has reached
// another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/examples/recordstore/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errCheck):
		os.Exit(1) // the check has said why, in the last line
	default:
		fmt.Fprintln(os.Stderr, "recordstore:", err)
		os.Exit(1)
	}
}

// program is one run of the command.
type program struct {
	addr, dir string
	check     bool
	tls       bool
	log       *slog.Logger
}

// run is main with its surroundings given.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) (err error) {
	p, err := parse(args, out)
	if err != nil {
		return err
	}
	data := records.Sample(records.MaxSample)
	if p.dir != "" {
		if data, err = records.Read(os.DirFS(p.dir)); err != nil {
			return fmt.Errorf("reading %s: %w", p.dir, err)
		}
	}
	server, err := private.Start(ctx, getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()
	redis, err := private.StartRedis(ctx, getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.Stop(context.WithoutCancel(ctx))) }()
	folder, err := os.MkdirTemp(getenv("TMPDIR"), "recordstore-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	at, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer at.close()
	config, err := p.place(ctx, server, redis, folder)
	if err != nil {
		return err
	}
	var w *world
	if p.tls {
		if w, err = newWorld(ctx, at, folder); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.stop(context.WithoutCancel(ctx))) }()
		config.Domains = w.domains()
	}
	c, err := chain.Open(ctx, config, data)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := p.listen(c, at, w)
	if err != nil {
		return err
	}
	defer s.close()
	if p.check {
		return s.check(ctx, config, data, out)
	}
	return s.serve(ctx, out)
}

// parse reads the command line, and explains it to usage.
func parse(args []string, usage io.Writer) (*program, error) {
	p := &program{}
	flags := flag.NewFlagSet("recordstore", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&p.addr, "addr", "127.0.0.1:8080", "`address` to serve on; another port is taken if this one is")
	flags.StringVar(&p.dir, "data", "", "`folder` with Chinook's CSV files, instead of made-up records")
	flags.BoolVar(&p.check, "check", false, "visit and attack the stores, and exit")
	flags.BoolVar(&p.tls, "tls", false, "give stores domains of their own, with certificates of a private authority; it is Pebble, which make demo-tls builds")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	level := slog.LevelWarn
	if p.check {
		level = slog.LevelError // every attack that is refused is a warning
	}
	p.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	return p, nil
}

// place makes the databases of the catalog and of the stores, and says where
// everything else goes.
func (p *program) place(ctx context.Context, server *private.Server, redis *private.Redis, folder string) (chain.Config, error) {
	urls, err := server.Create(ctx, "catalog", "stores")
	if err != nil {
		return chain.Config{}, err
	}
	return chain.Config{
		Catalog:  urls[0],
		App:      server.As(urls[1], "recordstore"),
		Migrator: urls[1],
		Database: func(name string) string {
			name = server.Name(name)
			server.Adopt(name)
			return name
		},
		Redis:     redis.Options,
		Prefix:    redis.Prefix,
		Folder:    folder,
		FilesPath: web.PathFiles,
		Logger:    p.log,
	}, nil
}
