package isolation

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// strategy is one way to set a tenant apart on its server.
type strategy interface {
	// database names the database that t's rows are in.
	database(s *server, t tenant.Tenant) string
	// path is the search_path of t's sessions.
	path(s *server, t tenant.Tenant) string
	// fit refuses a placement that cannot be t's alone, where it has to be.
	fit(s *server, t tenant.Tenant) error
	// create makes the place for t's rows. What is there already is adopted.
	create(ctx context.Context, s *server, t tenant.Tenant) error
	// remove ends t's rows. What is gone already is no mistake.
	remove(ctx context.Context, s *server, t tenant.Tenant) error
}

// strategyOf returns how t is set apart.
func strategyOf(t tenant.Tenant) (strategy, error) {
	switch t.Placement.Strategy {
	case tenant.Shared:
		return shared{}, nil
	case tenant.Schema:
		return ownSchema{}, nil
	case tenant.Database:
		return ownDatabase{}, nil
	}
	return nil, fmt.Errorf("isolation: tenant %s (%s) has no strategy", t.ID, t.Slug)
}

// locate returns where t's statements go.
func (db *DB) locate(ctx context.Context, t tenant.Tenant) (place, error) {
	s := db.servers[t.Placement.Server]
	if s == nil {
		return place{}, fmt.Errorf("%w: tenant %s (%s) is on %q", ErrNoServer, t.ID, t.Slug, t.Placement.Server)
	}
	how, err := strategyOf(t)
	if err != nil {
		return place{}, err
	}
	return s.database(ctx, how.database(s, t))
}

// pathOf returns the search_path of a tenant of a known strategy.
func pathOf(s *server, t tenant.Tenant) string {
	how, err := strategyOf(t)
	if err != nil {
		return ""
	}
	return how.path(s, t)
}

// Target says which place [Options.Migrate] is to bring up to date.
type Target struct {
	// Server and Database name the place, and Schema the schema that comes
	// first on the connection's search_path.
	Server, Database, Schema string
	// Strategy says whose place it is: Shared for the tables that tenants
	// share. Tables that [partywall.share] declares belong there and in each
	// Database; a Schema sees those of the database it is in.
	Strategy tenant.Strategy
	// Path is the search_path of statements there, as SQL.
	Path string
}

// ownName is the name of what belongs to one tenant alone, if its placement
// does not say otherwise.
func ownName(t tenant.Tenant) string { return "tenant_" + strconv.FormatInt(t.Number, 10) }

// quote makes a name safe to stand in SQL.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
