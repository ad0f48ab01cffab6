package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
)

// columns are the same behind the wall and without it.
const columns = `
		id        bigint NOT NULL,
		name      text   NOT NULL,
		price     bigint NOT NULL,
		made      timestamptz NOT NULL DEFAULT now(),
		PRIMARY KEY (tenant_id, id))`

// wallSchema is the host's tables behind the wall. Rows are inserted into a
// table of their own, so that those that are read stay as they are.
const wallSchema = `
	CREATE TABLE IF NOT EXISTS item (tenant_id bigint NOT NULL DEFAULT partywall.tenant(),` + columns + `;
	CREATE TABLE IF NOT EXISTS event (tenant_id bigint NOT NULL DEFAULT partywall.tenant(),` + columns + `;
	SELECT partywall.protect('item'), partywall.protect('event');`

// plainSchema is the same tables without a wall, and as the textbook has them:
// with a policy on a setting, which whoever can write SQL can change.
const plainSchema = `
	CREATE TABLE item (tenant_id bigint NOT NULL,` + columns + `;
	CREATE TABLE event (tenant_id bigint NOT NULL,` + columns + `;
	CREATE TABLE item_rls (tenant_id bigint NOT NULL DEFAULT current_setting('app.tenant')::bigint,` + columns + `;
	CREATE TABLE event_rls (tenant_id bigint NOT NULL DEFAULT current_setting('app.tenant')::bigint,` + columns + `;
	ALTER TABLE item_rls ENABLE ROW LEVEL SECURITY;
	ALTER TABLE event_rls ENABLE ROW LEVEL SECURITY;
	CREATE POLICY tenant ON item_rls USING (tenant_id = current_setting('app.tenant')::bigint);
	CREATE POLICY tenant ON event_rls USING (tenant_id = current_setting('app.tenant')::bigint);
	GRANT SELECT, INSERT ON item, event, item_rls, event_rls TO ` + plainRole

func migrate(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
	if _, err := conn.Exec(ctx, wallSchema); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
