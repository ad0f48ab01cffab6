package certtest

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Shown is how far hosts are apart whose certificates clients accept: 0, Shown,
// twice Shown and so on. The others' signatures are wrong, because most of what
// it costs to make a certificate is to sign it.
const Shown = 97

// Host is the name of the i-th host. All names below 100,000 are equally long.
func Host(i int) string { return fmt.Sprintf("tenant-%05d.example.test", i) }

// Sealer is autotls.Sealer, as far as it seals.
type Sealer interface {
	Seal(ctx context.Context, plain, associated []byte) ([]byte, error)
}

// Fill stores the certificates of the first count hosts, at most 100,000, in the
// tables of package autotls, as it does one by one. They are due tomorrow.
func (m *Mint) Fill(ctx context.Context, pool *pgxpool.Pool, sealer Sealer, count int) error {
	first, _, err := m.Issue(Host(0), 2)
	if err != nil {
		return err
	}
	items, certificates := make([][]any, 2*count), make([][]any, count)
	work, inside := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		work.Go(func() error {
			for i := w; i < count; i += workers {
				if err := m.row(inside, sealer, first, i, items[2*i:2*i+2], &certificates[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err //nolint:wrapcheck // row did
	}
	if err := store(ctx, pool, "item", []string{"key", "value", "size"}, items); err != nil {
		return err
	}
	columns := []string{"host", "site", "ca", "not_before", "not_after", "renew_at", "due_at"}
	return store(ctx, pool, "certificate", columns, certificates)
}

// row makes what is stored of one host: the files of its certificate and of its
// key, and the row that leads to them.
func (m *Mint) row(ctx context.Context, sealer Sealer, first []byte, i int, files [][]any, row *[]any) (err error) {
	host := Host(i)
	chain, key := patch(first, Host(0), host), m.key
	if i%Shown == 0 {
		if chain, _, err = m.Issue(host, int64(i+2)); err != nil {
			return err
		}
	}
	site := "certificates/ca/" + host + "/" + host // certmagic's layout
	for n, file := range []struct {
		name  string
		value []byte
	}{{site + ".crt", chain}, {site + ".key", key}} {
		sealed, err := sealer.Seal(ctx, file.value, []byte(file.name))
		if err != nil {
			return fmt.Errorf("certtest: sealing %s: %w", file.name, err)
		}
		files[n] = []any{file.name, sealed, len(file.value)}
	}
	now := time.Now()
	*row = []any{host, site, "https://ca.test", now, now.AddDate(0, 0, 90), now.AddDate(0, 0, 60), now.AddDate(0, 0, 1)}
	return nil
}

func store(ctx context.Context, pool *pgxpool.Pool, table string, columns []string, rows [][]any) error {
	name := pgx.Identifier{"partywall_tls", table}
	_, err := pool.CopyFrom(ctx, name, columns, pgx.CopyFromRows(rows))
	if err == nil {
		_, err = pool.Exec(ctx, `ANALYZE `+name.Sanitize()) //scopecheck:allow one of two names
	}
	if err != nil {
		return fmt.Errorf("certtest: filling %s: %w", table, err)
	}
	return nil
}
