package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// orm is GORM on the wall. It is left as it comes: an insert is a transaction.
type orm struct {
	db   *gorm.DB // with its context
	base int64
}

// ormRow is a row as GORM sees it behind the wall.
type ormRow struct {
	ID    int64
	Name  string
	Price int64
	Made  time.Time `gorm:"autoCreateTime"`
}

func openGORM(ctx context.Context, db *sql.DB) (*gorm.DB, error) {
	opened, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, fmt.Errorf("GORM: %w", err)
	}
	return opened.WithContext(ctx), nil
}

func (c *orm) point(i int) error { return ormPoint(c.db.Table("item"), i) }

func (c *orm) list(i int) error { return ormList(c.db.Table("item"), i) }

func (c *orm) insert(i int) error { return c.db.Table("event").Create(c.row(i)).Error }

func (c *orm) row(i int) *ormRow { return &ormRow{ID: c.base + int64(i), Name: "new", Price: 100} }

// ormPlain is GORM on database/sql over pgx, where each statement names the
// tenant.
type ormPlain struct {
	orm

	tenant int64
}

// ormPlainRow is a row where nobody fills in the tenant.
type ormPlainRow struct {
	TenantID int64
	Row      *ormRow `gorm:"embedded"`
}

func (c *ormPlain) items() *gorm.DB { return c.db.Table("item").Where("tenant_id = ?", c.tenant) }

func (c *ormPlain) point(i int) error { return ormPoint(c.items(), i) }

func (c *ormPlain) list(i int) error { return ormList(c.items(), i) }

func (c *ormPlain) insert(i int) error {
	return c.db.Table("event").Create(&ormPlainRow{TenantID: c.tenant, Row: c.row(i)}).Error
}

func ormPoint(items *gorm.DB, i int) error {
	var r ormRow
	return items.Where("id = ?", pointID(i)).Take(&r).Error
}

func ormList(items *gorm.DB, i int) error {
	var rows []ormRow
	err := items.Where("id > ?", listID(i)).Order("id").Limit(20).Find(&rows).Error
	return allTwenty(len(rows), err)
}
