package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

func writeCases() []Case {
	return []Case{
		same("18", "an UPDATE that moves tenant_id", onOwner, statements(
			`UPDATE {here}.orders SET tenant_id = {victim}`, `UPDATE {there}.orders SET tenant_id = {victim} WHERE tenant_id = {attacker}`,
			`UPDATE {there}.orders SET tenant_id = {attacker} WHERE tenant_id = {victim}`,
			`INSERT INTO {there}.orders (tenant_id, id, item) VALUES ({victim}, 77, 'planted')`,
			`INSERT INTO {there}.accounts (tenant_id, email) SELECT {victim}, 'planted'`,
			`UPDATE {here}.accounts SET (tenant_id, email) = (SELECT {victim}, 'planted')`)),
		same("19", "MERGE and RETURNING", onOwner, statements(
			`MERGE INTO {there}.orders o USING (SELECT {victim}::bigint AS t) s ON o.tenant_id = s.t WHEN MATCHED THEN UPDATE SET item = 'stolen'`,
			`MERGE INTO {there}.orders o USING (SELECT {victim}::bigint AS t) s ON o.tenant_id = s.t WHEN MATCHED THEN DELETE`,
			`MERGE INTO {there}.orders o USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (tenant_id, id, item) VALUES ({victim}, 78, 'planted')`,
			`MERGE INTO {there}.orders o USING {there}.orders s ON o.id = s.id WHEN MATCHED THEN UPDATE SET tenant_id = {victim} RETURNING s.item`,
			`UPDATE {there}.orders SET item = item WHERE tenant_id = {victim} RETURNING item`,
			`DELETE FROM {there}.orders WHERE tenant_id = {victim} RETURNING item`,
			`INSERT INTO {there}.orders (tenant_id, id, item) SELECT {victim}, {victim} * 100 + 1, 'x' ON CONFLICT DO NOTHING RETURNING item`,
			`WITH gone AS (DELETE FROM {there}.accounts RETURNING email) SELECT email FROM gone`)),
		same("22", "TRUNCATE and COPY", onPolicy, all(copies, statements(
			`TRUNCATE {there}.orders, {there}.lines`, `TRUNCATE {there}.accounts`, `COPY {there}.orders TO STDOUT`, `COPY (SELECT item FROM {there}.orders) TO STDOUT`,
			`COPY {there}.orders TO PROGRAM 'cat'`, `DROP TABLE {there}.accounts`, `ALTER TABLE {there}.orders DISABLE ROW LEVEL SECURITY`,
			`ALTER TABLE {there}.orders NO FORCE ROW LEVEL SECURITY`, `DROP POLICY partywall_bound ON {there}.orders`))),
	}
}

// copies are COPY with the stolen password, in both directions.
func copies(ctx context.Context, s *scene) error {
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // whatever became of it
	table := quote(s.schema(s.victim)) + `.orders`
	for _, sql := range []string{`COPY ` + table + ` TO STDOUT`, `COPY (SELECT item FROM ` + table + `) TO STDOUT`, `SET row_security = off; COPY ` + table + ` TO STDOUT`} {
		var out bytes.Buffer
		_, err := conn.PgConn().CopyTo(ctx, &out, sql)
		s.hearError(err)
		s.hear(out.String())
	}
	row := strings.NewReader(fmt.Sprintf("%d\t79\tplanted\n", s.victim.Number))
	_, err = conn.PgConn().CopyFrom(ctx, row, `COPY `+table+` (tenant_id, id, item) FROM STDIN`)
	s.hearError(err)
	return nil
}
