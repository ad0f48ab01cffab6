package pgtenant

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/partywall/partywall/tenant"
)

// collect reads all rows of columns.
func collect(rows pgx.Rows) ([]tenant.Tenant, error) {
	var found []tenant.Tenant
	err := each(rows, func(t tenant.Tenant) error {
		found = append(found, t)
		return nil
	})
	return found, err
}

// each calls fn with every row of columns, and closes rows.
func each(rows pgx.Rows, fn func(tenant.Tenant) error) error {
	defer rows.Close()
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return translate(err)
		}
		if err := fn(t); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

func scan(rows pgx.Rows) (tenant.Tenant, error) {
	var t tenant.Tenant
	var id pgtype.UUID
	var labels pgtype.DriverBytes // valid until the next row
	var deleteAfter *time.Time
	p := &t.Placement
	err := rows.Scan(&t.Number, &id, &t.Slug, &t.Name, (*string)(&t.Status), &t.Reason,
		(*string)(&t.Plan), (*string)(&t.Region), &labels,
		&p.Server, (*string)(&p.Strategy), &p.Schema, &p.Database, &p.Bucket, &p.Cache, &p.Epoch,
		&t.Version, &t.CreatedAt, &t.UpdatedAt, &deleteAfter)
	if err != nil {
		return tenant.Tenant{}, err
	}
	t.ID = id.Bytes
	t.CreatedAt, t.UpdatedAt = t.CreatedAt.UTC(), t.UpdatedAt.UTC()
	if deleteAfter != nil {
		t.DeleteAfter = deleteAfter.UTC()
	}
	if len(labels) > len("{}") {
		err = json.Unmarshal(labels, &t.Labels)
	}
	return t, err
}
