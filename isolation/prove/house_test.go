package prove_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// migrations are the record store's.
const migrations = "../../examples/recordstore/chain/migrations/"

func read(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"001_catalogue.sql", "002_sales.sql"} {
		text, err := os.ReadFile(migrations + name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// store is a database with the wall and the record store's tables.
func store(t testing.TB) *pgtest.Template {
	t.Helper()
	tables, files := read(t), pgmigrate.Set{Schema: "partywall", Files: os.DirFS("../wall")}
	return &pgtest.Template{Name: "prove", Version: files.Version() + tables, Fill: func(ctx context.Context, url string) error {
		app, err := pgx.ParseConfig(url)
		if err != nil {
			return err
		}
		tenants, err := tenant.NewRegistry(memtenant.New(), nil)
		if err != nil {
			return err
		}
		db, err := isolation.Open(ctx, tenants, isolation.Servers{"eu-1": {
			App:      fmt.Sprintf("host=%s port=%d user=prove_app dbname=%s sslmode=disable", app.Host, app.Port, app.Database),
			Migrator: url,
		}}, &isolation.Options{Logger: slog.New(slog.DiscardHandler), Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
			_, err := conn.Exec(ctx, tables)
			return err
		}})
		if err != nil {
			return err
		}
		db.Close()
		return nil
	}}
}

// scene is a database and the role that is judged in it.
type scene struct {
	data  *pgtest.Database
	admin *pgx.Conn
	app   string
}

// walled is a scene behind the wall, plain one that never saw it.
func walled(t testing.TB) *scene {
	t.Helper()
	s := &scene{data: pgtest.New(t, store(t))}
	s.admin, s.app = s.data.Conn(t), pgtest.Role(t, "prove", "LOGIN IN ROLE partywall_app")
	s.exec(t, `SET search_path = public`) // the superuser is called as the wall's schema is
	s.exec(t, `REVOKE CONNECT, TEMPORARY ON DATABASE `+pgx.Identifier{s.data.Name}.Sanitize()+` FROM PUBLIC`)
	s.exec(t, `GRANT CONNECT ON DATABASE `+pgx.Identifier{s.data.Name}.Sanitize()+` TO partywall_app`)
	return s
}

func plain(t testing.TB) *scene {
	t.Helper()
	s := &scene{data: pgtest.New(t, nil)}
	s.admin, s.app = s.data.Conn(t), pgtest.Role(t, "prove", "LOGIN")
	s.exec(t, `SET search_path = public`)
	return s
}

// exec runs SQL as the superuser; {app} and {db} are the scene's.
func (s *scene) exec(t testing.TB, sql string) {
	t.Helper()
	sql = strings.NewReplacer("{app}", s.app, "{db}", pgx.Identifier{s.data.Name}.Sanitize()).Replace(sql)
	if _, err := s.admin.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// look is what the app role finds of itself.
func (s *scene) look(t testing.TB) *prove.Report {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.data.As(s.app))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	report, err := prove.Catalog(t.Context(), conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// codes lists findings as code and object.
func codes(r *prove.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Code+" "+f.Object)
	}
	return out
}

// close runs what the findings say.
func (s *scene) close(t testing.TB, r *prove.Report) {
	t.Helper()
	for _, f := range r.Findings {
		if f.SQL == "" {
			t.Errorf("no SQL closes %s", f)
			continue
		}
		s.exec(t, f.SQL)
	}
}
