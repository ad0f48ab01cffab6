package check

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// attackDirectly tries the databases as someone does who has got hold of the
// application's password, and has no library to open a session for them.
func (r *run) attackDirectly(ctx context.Context) {
	u, err := url.Parse(r.config.App)
	if r.failed(ctx, "the URL of App", err) {
		return
	}
	for _, database := range append([]string{""}, r.config.Databases...) {
		if database != "" {
			u.Path = "/" + database
		}
		r.attackDatabase(ctx, u.String())
	}
}

func (r *run) attackDatabase(ctx context.Context, target string) {
	config, err := pgx.ParseConfig(target)
	if r.failed(ctx, "the URL of App", err) {
		return
	}
	// The protocol that takes several statements in one text.
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if r.failed(ctx, "connecting to "+config.Database, err) {
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // attacks may have broken it
	tables, err := conn.Query(ctx, findTables)
	if r.failed(ctx, config.Database, err) {
		return
	}
	reads, err := pgx.CollectRows(tables, func(row pgx.CollectableRow) (string, error) {
		var name, token, id string
		err := row.Scan(&name, &token, &id)
		return fmt.Sprintf(`SELECT '%s:' || %s FROM %s`, token, id, name), err
	})
	if r.failed(ctx, config.Database, err) {
		return
	}
	if len(reads) == 0 {
		r.mismatchf("%s: found no tables to attack", config.Database)
	}
	r.comparePolicies(ctx, conn, config.Database)
	for _, before := range preludes() {
		for _, read := range reads {
			r.count()
			// Over the simple protocol the answer of the last statement is the
			// one that counts, and errors end the text.
			r.inspect(nil, config.Database+" by hand: "+before+read, allResults(ctx, conn, before+read))
		}
	}
}

// preludes are what may come before reading a table.
func preludes() []string {
	return []string{
		``,
		`RESET ALL; `,
		`SET row_security = off; `,
		`SET app.tenant = '1'; SET partywall.tenant = '1'; `,
		`SELECT setval('partywall.mark', 1); `,
		`SELECT partywall.open_session(1, 1, 9999999999, '\x00'); SELECT partywall.bind(1, 1, 2, false, -1); `,
		`SELECT partywall.bind(0, 1, 2, false, -1); `,
		`SET ROLE partywall_owner; `,
		`SET ROLE partywall_system; `,
	}
}

// allResults runs statements and returns all that comes of them.
func allResults(ctx context.Context, conn *pgx.Conn, sql string) string {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	var text strings.Builder
	fmt.Fprint(&text, err)
	for _, result := range results {
		for _, row := range result.Rows {
			for _, value := range row {
				text.WriteString(" " + string(value))
			}
		}
	}
	return text.String()
}
