package handle

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
	"github.com/redis/go-redis/v9"
	"gocloud.dev/blob"
)

type server struct {
	pool  *pgxpool.Pool
	conn  *pgx.Conn
	raw   *sql.DB
	std   *sql.DB
	given *sql.DB
	db    *isolation.DB
	redis *redis.Client
	any   redis.UniversalClient
	files *blob.Bucket
}

func newServer(db *isolation.DB, given *sql.DB) (*server, error) {
	raw, err := sql.Open("pgx", "")
	return &server{raw: raw, std: db.StdDB(), given: given}, err
}

func (s *server) handler(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	s.pool.Query(ctx, "SELECT 1") // want `Query of a raw \*pgxpool.Pool where a tenant is in scope goes round the wall; use isolation.DB`
	s.pool.Begin(ctx)             // want `Begin of a raw \*pgxpool.Pool`
	s.conn.Exec(ctx, "SELECT 1")  // want `Exec of a raw \*pgx.Conn`
	s.pool.Ping(ctx)

	s.raw.QueryContext(ctx, "SELECT 1") // want `QueryContext of a raw \*sql.DB`
	c, _ := s.raw.Conn(ctx)
	c.ExecContext(ctx, "SELECT 1") // want `ExecContext of a raw \*sql.Conn`
	s.std.QueryContext(ctx, "SELECT 1")
	s.given.QueryContext(ctx, "SELECT 1")
	walled, _ := s.helper().Conn(ctx)
	walled.ExecContext(ctx, "SELECT 1")

	s.redis.Get(ctx, "k") // want `Get of a raw redis.Client .* use a cache that keys by tenant`
	s.redis.TxPipeline()  // want `TxPipeline of a raw redis.Client`
	s.any.Get(ctx, "k")   // want `Get of a raw redis.UniversalClient`
	s.redis.Ping(ctx)
	s.files.ReadAll(ctx, "k") // want `ReadAll of a raw \*blob.Bucket`
	s.files.IsAccessible(ctx)
	storage.Bucket(ctx).ReadAll(ctx, "k")

	s.db.Query(ctx, "SELECT 1")
	s.pool.Query(tenant.Without(ctx), "SELECT 1")
	func() { s.pool.Begin(ctx) }() // want `Begin of a raw`
}

func (s *server) helper() *sql.DB { return s.db.StdDB() }

func (s *server) asks(ctx context.Context) {
	_, _ = tenant.FromContext(ctx)
	s.pool.Begin(ctx) // want `Begin of a raw`
}

func (s *server) resumes(ctx context.Context, r *tenant.Registry) {
	job, _ := r.Resume(ctx, nil)
	s.pool.Begin(job) // want `Begin of a raw`
}

func (s *server) both(ctx context.Context) {
	s.db.Exec(ctx, "SELECT 1")
	s.pool.Begin(ctx) // want `Begin of a raw`
}

func (s *server) system(ctx context.Context) {
	all := isolation.AsSystem(ctx, "what sells")
	s.db.Exec(all, "SELECT 1")
	s.pool.Begin(ctx)
}

func (s *server) migrate(ctx context.Context) { s.pool.Begin(ctx) }

type transport struct{ s *server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.s.pool.Begin(r.Context())
	return nil, nil
}
