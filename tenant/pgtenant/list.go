package pgtenant

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// List implements [tenant.Store].
func (s *store) List(ctx context.Context, q tenant.Query) (tenant.Page, error) {
	if err := q.Validate(); err != nil {
		return tenant.Page{}, err
	}
	after, err := q.After()
	if err != nil {
		return tenant.Page{}, err
	}
	where := conditions{}
	where.add("number > ", after)
	if len(q.Status) > 0 {
		statuses := make([]string, len(q.Status))
		for i, status := range q.Status {
			statuses[i] = string(status)
		}
		where.clauses = append(where.clauses, fmt.Sprintf("status = ANY(%s)", where.bind(statuses)))
	}
	where.equal("plan", string(q.Plan))
	where.equal("region", string(q.Region))
	where.equal("server", q.Server)
	where.equal("strategy", string(q.Strategy))
	if q.Labels.Len() > 0 {
		where.clauses = append(where.clauses, "labels <> '{}'") // lets the partial index serve
		where.clauses = append(where.clauses, fmt.Sprintf("labels @> %s::text::jsonb", where.bind(object(q.Labels))))
	}
	if q.SlugPrefix != "" {
		where.add("slug >= ", q.SlugPrefix)
		// '{' comes after every character that a slug can have.
		where.add("slug < ", q.SlugPrefix+"{")
	}
	rows, err := s.pool.Query(ctx, `SELECT `+columns+` FROM partywall_catalog.tenant WHERE `+
		strings.Join(where.clauses, " AND ")+` ORDER BY number LIMIT `+where.bind(q.PageSize()+1), where.args...)
	if err != nil {
		return tenant.Page{}, translate(err)
	}
	found, err := collect(rows)
	if err != nil {
		return tenant.Page{}, err
	}
	return q.Page(found), nil
}

// conditions collects clauses whose values are bound, never written.
type conditions struct {
	clauses []string
	args    []any
}

func (c *conditions) bind(value any) string {
	c.args = append(c.args, value)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *conditions) add(clause string, value any) {
	c.clauses = append(c.clauses, clause+c.bind(value))
}

func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ", value)
	}
}

// Loads returns how many tenants are placed on each server, those that are
// about to end included. It reads an index over all tenants.
func (c *Catalog) Loads(ctx context.Context) (map[string]int64, error) {
	rows, err := c.store.pool.Query(ctx, `
		SELECT server, count(*) FROM partywall_catalog.tenant
		WHERE server <> '' AND status <> 'deleted' GROUP BY server`)
	if err != nil {
		return nil, fmt.Errorf("pgtenant: counting tenants: %w", reached(ctx, err))
	}
	loads := map[string]int64{}
	var server string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&server, &n}, func() error {
		loads[server] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("pgtenant: counting tenants: %w", reached(ctx, err))
	}
	return loads, nil
}
