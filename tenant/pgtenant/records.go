package pgtenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgerror"
	"github.com/partywall/partywall/tenant"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// records implements [tenant.Records] on a pool or within a transaction.
type records struct{ db querier }

const columns = `number, id, slug, name, status, reason, plan, region, labels,
	server, strategy, schema, database, bucket, cache, epoch, version, created_at, updated_at, delete_after`

// Create implements [tenant.Records]. A conflict is met by DO NOTHING rather
// than by an error, which would abort the host's transaction.
func (r *records) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	for {
		created, err := r.insert(ctx, t)
		if err == nil && t.Number != 0 {
			err = r.countFrom(ctx, t.Number)
		}
		if !errors.Is(err, tenant.ErrNotFound) {
			return created, err
		}
		if err := r.conflict(ctx, t); err != nil {
			return tenant.Tenant{}, err
		}
		// Nobody has any of it: the number that was drawn is one that somebody
		// brought along. The next one may be free.
	}
}

func (r *records) insert(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	names, numbers, args := "", "", append([]any{t.ID}, values(t)...)
	if t.Number != 0 {
		names, numbers, args = "number, ", "$17::bigint, ", append(args, t.Number)
	}
	return r.one(ctx, `INSERT INTO partywall_catalog.tenant (`+names+`id, slug, name, status, reason, plan, region,
			labels, server, strategy, schema, database, bucket, cache, epoch, version, delete_after,
			created_at, updated_at, changed_in) OVERRIDING SYSTEM VALUE
		SELECT `+numbers+`$1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $12, $13, $14, $15, 1, $16, at, at, '0'
		FROM clock_timestamp() AS at
		ON CONFLICT DO NOTHING
		RETURNING `+columns, args...)
}

// countFrom has later numbers be greater than one that was brought along. Two
// that do so at once may leave the lower one; Create then draws again.
func (r *records) countFrom(ctx context.Context, number int64) error {
	var last int64
	err := r.db.QueryRow(ctx, `SELECT setval('partywall_catalog.tenant_number_seq', greatest(last_value, $1::bigint))
		FROM partywall_catalog.tenant_number_seq`, number).Scan(&last)
	if err != nil {
		return translate(err)
	}
	return nil
}

// conflict says what of t another tenant has already, nil if nothing.
func (r *records) conflict(ctx context.Context, t tenant.Tenant) error {
	for _, key := range []tenant.Key{tenant.ByID(t.ID), tenant.ByNumber(t.Number), tenant.BySlug(t.Slug)} {
		_, err := r.Find(ctx, key)
		if _, isSlug := key.Slug(); err == nil && isSlug {
			return tenant.ErrSlugTaken
		}
		if err == nil {
			return fmt.Errorf("pgtenant: %s exists: %w", key, tenant.ErrConflict)
		}
		if !errors.Is(err, tenant.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Update implements [tenant.Records].
func (r *records) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	updated, err := r.one(ctx, `UPDATE partywall_catalog.tenant SET slug = $2, name = $3, status = $4, reason = $5,
			plan = $6, region = $7, labels = $8::text::jsonb, server = $9, strategy = $10, schema = $11, database = $12,
			bucket = $13, cache = $14, epoch = $15, delete_after = $16,
			version = version + 1, updated_at = clock_timestamp()
		WHERE id = $1 AND version = $17
		RETURNING `+columns, append(append([]any{t.ID}, values(t)...), t.Version)...)
	if !errors.Is(err, tenant.ErrNotFound) {
		return updated, err
	}
	now, err := r.Find(ctx, tenant.ByID(t.ID))
	if err != nil {
		return tenant.Tenant{}, err
	}
	return tenant.Tenant{}, fmt.Errorf("%w: version is %d, not %d", tenant.ErrConflict, now.Version, t.Version)
}

// values are the columns that both Create and Update set, in the order of
// their parameters.
func values(t tenant.Tenant) []any {
	var deleteAfter *time.Time
	if !t.DeleteAfter.IsZero() {
		deleteAfter = &t.DeleteAfter
	}
	p := t.Placement
	return []any{
		t.Slug, t.Name, string(t.Status), t.Reason, string(t.Plan), string(t.Region), object(t.Labels),
		p.Server, string(p.Strategy), p.Schema, p.Database, p.Bucket, p.Cache, p.Epoch, deleteAfter,
	}
}

// object is l as the text of a JSON object. Sent as text, and cast by the
// statement, it means the same in all of pgx's modes: those that do not ask the
// server for the types of parameters do not know our types either.
func object(l tenant.Labels) string {
	text, err := l.MarshalJSON()
	if err != nil {
		return "{}" // which cannot be: names and values are texts
	}
	return string(text)
}

// Find implements [tenant.Records].
func (r *records) Find(ctx context.Context, key tenant.Key) (tenant.Tenant, error) {
	const sql = `SELECT ` + columns + ` FROM partywall_catalog.tenant WHERE `
	if id, ok := key.ID(); ok {
		return r.one(ctx, sql+`id = $1`, id)
	}
	if slug, ok := key.Slug(); ok {
		if tenant.ValidateSlug(slug) != nil {
			// Nobody has it, and a NUL in it would be an error to PostgreSQL.
			return tenant.Tenant{}, tenant.ErrNotFound
		}
		return r.one(ctx, sql+`slug = $1`, slug)
	}
	if n, ok := key.Number(); ok {
		return r.one(ctx, sql+`number = $1`, n)
	}
	return tenant.Tenant{}, tenant.ErrNotFound
}

// one returns the only row, or ErrNotFound.
func (r *records) one(ctx context.Context, sql string, args ...any) (tenant.Tenant, error) {
	rows, err := r.db.Query(ctx, sql, args...)
	if err != nil {
		return tenant.Tenant{}, translate(err)
	}
	found, err := collect(rows)
	switch {
	case err != nil:
		return tenant.Tenant{}, err
	case len(found) == 0:
		return tenant.Tenant{}, tenant.ErrNotFound
	}
	return found[0], nil
}

// translate turns an error of PostgreSQL into the one that the contract of
// [tenant.Store] names, and takes out of it what may quote a row: a host logs
// errors.
func translate(err error) error {
	pg, ok := pgerror.Clean(err)
	switch {
	case !ok:
		return err
	case pg.Code == "23505" && pg.ConstraintName == "tenant_slug_key":
		return fmt.Errorf("%w: %w", tenant.ErrSlugTaken, pg)
	case pgerror.IsConflict(pg):
		return fmt.Errorf("%w: %w", tenant.ErrConflict, pg)
	case pg.Code[:min(2, len(pg.Code))] == "23", pg.Code == "22021", pg.Code == "22P05": // constraints; text with NUL
		return fmt.Errorf("%w: %w", tenant.ErrInvalid, pg)
	}
	return pg
}
