package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

func oracleCases() []Case {
	return []Case{
		same("16", "a foreign key to another tenant's row", onPolicy, foreignKey),
		misbuilt{
			fixture: []string{`CREATE TABLE heads (tenant_id bigint NOT NULL, id bigint PRIMARY KEY)`,
				`CREATE TABLE notes (tenant_id bigint NOT NULL, head bigint REFERENCES heads (id))`,
				`{protect heads}`, `{protect notes}`, `INSERT INTO heads SELECT {victim}, 4711 WHERE {together}`},
			undo: []string{`DROP TABLE IF EXISTS notes`, `DROP TABLE IF EXISTS heads`},
			attack: differ(`INSERT INTO {there}.notes (tenant_id, head) VALUES ({attacker}, 4711)`,
				`INSERT INTO {there}.notes (tenant_id, head) VALUES ({attacker}, 4712)`),
		}.proven("16h", "a foreign key of the host's without tenant_id", "foreign-key-without-tenant"),
		same("17", "unique keys and ON CONFLICT as an oracle", onPolicy, uniqueKey),
		misbuilt{
			fixture: []string{`CREATE UNIQUE INDEX loot ON {there}.accounts (email)`}, undo: []string{`DROP INDEX IF EXISTS loot`},
			attack: uniqueKey,
		}.proven("17h", "a unique key of the host's without tenant_id", "key-without-tenant"),
		same("23", "pg_stats", onOwner, all(statements(statistics()...), func(ctx context.Context, s *scene) error { return s.steal(ctx, statistics()...) })),
		{
			ID: "23e", Name: "estimates of EXPLAIN as an oracle", On: onPolicy, Control: estimates, Attack: estimates,
			Open: when(everywhere, "the planner's statistics are of all tenants' rows, and without them plans are bad: Options.Secret names columns whose values are a secret, and prove prints what hides them"),
		},
		{
			ID: "29", Name: "a sequence as an oracle of volume", On: onPolicy, Control: volume, Attack: volume,
			Open: when(together, "a number that counts for all tells how far it has come, to whoever gets one: use keys that do not count where volume is a secret"),
		},
		{ID: "29m", Name: "the mark's last value as an oracle of who is served", On: onPolicy, Control: volume, Attack: lastMark},
		{
			ID: "29p", Name: "the mark a pooler's connection keeps, with the stolen password", On: onPolicy, Control: volume, Attack: keptMark,
			Open: when(pooled, "a mark that is void for the policies is still there for currval(): it is the number of whoever had the connection last"),
		},
		misbuilt{
			fixture: []string{`CREATE TABLE bookings (tenant_id bigint NOT NULL, slot int4range NOT NULL, EXCLUDE USING gist (slot WITH &&))`,
				`{protect bookings}`, `INSERT INTO bookings VALUES ({victim}, '[71234,79876)')`},
			undo: []string{`DROP TABLE IF EXISTS bookings`}, attack: details,
		}.held("32", "the DETAIL of an error", onOwner),
	}
}

// differ finds out what two statements tell by how they end.
func differ(there, nowhere string) Attack {
	return func(ctx context.Context, s *scene) error {
		if a, b := s.outcome(ctx, there), s.outcome(ctx, nowhere); a != b {
			s.findf("%s where there is a row of the victim's, %s where there is none", a, b)
		}
		return nil
	}
}

func foreignKey(ctx context.Context, s *scene) error {
	row := fmt.Sprint(s.victim.Number*100 + 1)
	for _, table := range []string{`lines`, `{there}.lines`} {
		for _, columns := range []string{`(tenant_id, order_id) VALUES ({attacker}, `, `(tenant_id, order_id) VALUES ({victim}, `, `(order_id) VALUES (`} {
			insert := `INSERT INTO ` + table + ` ` + columns
			if err := differ(insert+row+`)`, insert+`987654321)`)(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func uniqueKey(ctx context.Context, s *scene) error {
	for i, conflict := range []string{``, ` ON CONFLICT DO NOTHING RETURNING 1`} {
		insert := func(email string) string {
			return `INSERT INTO {there}.accounts (tenant_id, email) VALUES ({attacker}, '` + email + `')` + conflict
		}
		if i > 0 { // the first round's own rows would be in the way
			s.try(ctx, `DELETE FROM {there}.accounts WHERE email NOT LIKE '{own}%'`)
		}
		if err := differ(insert(`{guess}`), insert(`nobody has this`))(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func statistics() []string {
	return []string{
		`SELECT most_common_vals::text FROM pg_stats WHERE tablename IN ('orders', 'accounts')`,
		`SELECT histogram_bounds::text FROM pg_stats WHERE tablename IN ('orders', 'accounts')`,
		`SELECT stavalues1::text, stavalues2::text FROM pg_statistic`,
		`SELECT stxdmcv::text FROM pg_statistic_ext_data`, `SELECT most_common_vals::text FROM pg_stats_ext`,
	}
}

// estimates asks how many rows the planner expects of a value that only the
// victim has, and of one that nobody has.
func estimates(ctx context.Context, s *scene) (err error) {
	place := `SET search_path = ` + quote(s.schema(s.victim))
	fill := fmt.Sprintf(`INSERT INTO orders (tenant_id, id, item) SELECT %d, 5000 + i, '%s' FROM generate_series(1, 500) AS i`, s.victim.Number, s.victim.guess)
	if err := s.house.admins.run(ctx, s.database(s.victim), place, fill, `ANALYZE orders`); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.house.admins.run(context.WithoutCancel(ctx), s.database(s.victim), place, `DELETE FROM orders WHERE id > 5000`))
	}()
	explain := func(value string) string { return `EXPLAIN SELECT FROM {there}.orders WHERE item = '` + value + `'` }
	compare := func(there, nowhere []string) {
		if rows(there) != rows(nowhere) {
			s.findf("%s for a value of the victim's, %s for none", rows(there), rows(nowhere))
		}
	}
	there, _ := s.ask(ctx, s.open, s.attacker, explain(`{guess}`)) // refusals are heard
	nowhere, _ := s.ask(ctx, s.open, s.attacker, explain(`nobody has this`))
	compare(there, nowhere)
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	explain = func(value string) string {
		return `EXPLAIN SELECT FROM ` + quote(s.schema(s.victim)) + `.orders WHERE item = '` + value + `'`
	}
	there, _ = s.collect(conn.Query(ctx, s.expand(explain(`{guess}`))))
	nowhere, _ = s.collect(conn.Query(ctx, explain(`nobody has this`)))
	compare(there, nowhere)
	return nil
}

// rows is the estimate in the first line of a plan.
func rows(plan []string) string {
	if len(plan) == 0 {
		return "no plan"
	}
	_, rest, _ := strings.Cut(plan[0], "rows=")
	n, _, _ := strings.Cut(rest, " ")
	return "rows=" + n
}

// volume draws from a sequence before and after the victim has used it.
func volume(ctx context.Context, s *scene) error {
	draw := func() (n int64) {
		got, _ := s.ask(ctx, s.open, s.attacker, `SELECT nextval('{there}.accounts_id_seq')`) // refusals are heard
		if len(got) == 1 {
			_, _ = fmt.Sscan(got[0], &n)
		}
		return n
	}
	before := draw()
	_, err := s.honestly(ctx, s.open, s.victim, `INSERT INTO accounts (email) VALUES ('new 1'), ('new 2'), ('new 3')`, `DELETE FROM accounts WHERE email LIKE 'new %'`)
	if err != nil {
		return err
	}
	if after := draw(); before > 0 && after-before == 4 {
		s.findf("the victim has drawn 3")
	}
	return nil
}

// lastMark reads who was bound last, while the attacker is bound itself.
func lastMark(ctx context.Context, s *scene) error {
	tx, err := s.open.begin(ctx, s.attacker)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it has only read
	if _, err := answered(tx.Query(ctx, `SELECT 1`)); err != nil {
		return err
	}
	if _, err := s.honestly(ctx, s.open, s.victim, `SELECT 1`); err != nil {
		return err
	}
	for _, sql := range lastMarks() {
		if _, err := tx.Exec(ctx, `SAVEPOINT step`); err != nil {
			return err
		}
		got, _ := s.collect(tx.Query(ctx, sql)) // refusals are heard
		s.serves(got)
		if _, err := tx.Exec(ctx, `ROLLBACK TO SAVEPOINT step`); err != nil {
			return err
		}
	}
	heard := len(s.heard)
	if err := s.steal(ctx, lastMarks()...); err != nil {
		return err
	}
	s.serves(s.heard[heard:])
	return nil
}

// lastMarks are all the ways there are to ask a sequence for the last value that
// any session has given it.
func lastMarks() []string {
	return []string{
		`SELECT last_value FROM partywall.mark`, `TABLE partywall.mark`, `SELECT last_value FROM pg_sequences WHERE sequencename = 'mark'`,
		`SELECT pg_sequence_last_value('partywall.mark')`, `SELECT last_value FROM pg_get_sequence_data('partywall.mark')`,
		`SELECT nextval('partywall.mark') - 9223372036854775807`, `SELECT nextval('partywall.mark')`,
	}
}

// serves finds out who is served, if that is what the attacker has read.
func (s *scene) serves(got []string) {
	for _, line := range got {
		if first, _, _ := strings.Cut(line, "|"); first == fmt.Sprint(s.victim.Number) {
			s.findf("tenant %s is served right now", first)
		}
	}
}

// keptMark asks a connection that may have served the victim whose it was.
func keptMark(ctx context.Context, s *scene) error {
	if _, err := s.honestly(ctx, s.open, s.victim, `SELECT 1`); err != nil {
		return err
	}
	url := s.house.url(s.role(), s.database(s.victim))
	if s.mode.Pooled {
		url = s.house.through(s.role(), s.database(s.victim))
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	for range 20 {                                                // the pooler chooses the connection
		got, _ := s.collect(conn.Query(ctx, `SELECT currval('partywall.mark')`)) // refusals are heard
		s.serves(got)
	}
	return nil
}

// details runs into a key of the victim's, and reads what the error says of it.
func details(ctx context.Context, s *scene) error {
	s.try(ctx, `INSERT INTO {there}.bookings (tenant_id, slot) VALUES ({attacker}, '[75000,75001)')`,
		`INSERT INTO {there}.bookings (tenant_id, slot) VALUES ({victim}, '[75000,75001)')`,
		`UPDATE {there}.bookings SET slot = '[1,2)' WHERE tenant_id = {victim} RETURNING slot::text`,
		`SELECT slot::text FROM {there}.bookings`)
	for _, text := range s.heard {
		if strings.Contains(text, "71234") {
			s.findf("read %q", text)
		}
	}
	return nil
}
