package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// same is a case that is played with the same statements on both sides.
func same(id, name, on string, attack Attack) Case {
	return Case{ID: id, Name: name, On: on, Control: attack, Attack: attack}
}

// reads are what an attacker reads once the policies take him for another.
func reads() []string {
	return []string{`SELECT item FROM {there}.orders`, `SELECT email FROM {there}.accounts`, `SELECT item FROM orders`}
}

// claims are statements that say to be the victim, to a set-up that believes a
// setting, and to the wall.
func claims() []string {
	return []string{
		`SELECT set_config('app.tenant', '{victim}', true)`,
		`SELECT set_config('app.tenant', '{victim}', false)`,
		`SET app.tenant = '{victim}'`,
		`SET LOCAL app.tenant = '{victim}'`,
		`SELECT set_config('partywall.mark', '{victim}', false)`,
		`SELECT set_config('search_path', '{there}, public', false)`,
		`SELECT setval('partywall.mark', {victim})`,
		`SELECT setval('partywall.mark', {victim}), setval('partywall.mark_at', (date_part('epoch', now()) * 1000000)::bigint)`,
		`SELECT nextval('partywall.mark')`,
		`SELECT partywall.bind(0, {victim}, 1, false, -1)`,
		`SELECT partywall.bind(NULL, {victim}, 1, false, -1)`,
		`SELECT partywall.bind(NULL, {victim}, 1, true, NULL)`,
		`SELECT partywall.rebind(0, {victim}, 1, 1, 'public')`,
		`SELECT partywall.rebind(NULL, {victim}, 1, NULL, NULL)`,
		`SELECT partywall.bind(currval('partywall.secret'), {victim}, 1, false, -1)`,
		`SELECT partywall.enter(NULL, {victim}, 1, false, -1, NULL, NULL)`,
		`SELECT partywall.enter(1, {victim}, 1, false, -1, 4102444800, '\x00')`,
		`SELECT partywall.open_session(NULL, NULL, NULL, NULL)`,
		`SELECT partywall.open_session(1, 0, 4102444800, '\x00')`,
		`SELECT partywall.admit({victim}, 99, 'a', 'public', NULL, NULL)`,
		`SELECT secret FROM partywall.key`,
		`UPDATE partywall.fence SET tenant_id = {victim} WHERE tenant_id = {attacker}`,
		`ALTER SEQUENCE partywall.mark RESTART WITH {victim}`,
		`DISCARD SEQUENCES`,
		`DO $do$ BEGIN PERFORM setval('partywall.mark', {victim}); END $do$`,
	}
}

func statementCases() []Case {
	return []Case{
		same("01", "a query without WHERE", onOwner, statements(
			`SELECT item FROM orders`, `SELECT item FROM {there}.orders`, `SELECT email FROM {there}.accounts`,
			`SELECT item FROM {there}.orders WHERE id = 1 OR true`, `TABLE {there}.orders`,
			`SELECT item FROM {there}.orders WHERE tenant_id = {victim}`, `UPDATE {there}.orders SET item = 'all'`, `DELETE FROM {there}.accounts`)),
		same("02", "no tenant in the context", onOwner, nobodyReads),
		same("03", "set_config in a SELECT", onPolicy, each(claims(), reads()...)),
		same("04", "set_config in a CTE or UNION", onPolicy, statements(
			`WITH c AS MATERIALIZED (SELECT set_config('app.tenant', '{victim}', true) AS v) SELECT item FROM c, {there}.orders WHERE v IS NOT NULL`,
			`SELECT set_config('app.tenant', '{victim}', true) UNION ALL SELECT item FROM {there}.orders`,
			`SELECT item, set_config('app.tenant', '{victim}', true) FROM {there}.orders`,
			`WITH c AS MATERIALIZED (SELECT setval('partywall.mark', {victim}) AS v) SELECT item FROM c, {there}.orders WHERE v IS NOT NULL`,
			`WITH c AS MATERIALIZED (SELECT partywall.bind(NULL, {victim}, 1, false, -1) AS v) SELECT item FROM c, {there}.orders WHERE v > 0`,
			`WITH c AS MATERIALIZED (SELECT partywall.enter(NULL, {victim}, 1, false, -1, NULL, NULL) AS v) SELECT item FROM c, {there}.orders WHERE v > 0`,
			`SELECT partywall.bind(0, {victim}, 1, false, -1)::text UNION ALL SELECT item FROM {there}.orders`,
			`SELECT item FROM {there}.orders WHERE tenant_id = {victim} UNION ALL SELECT email FROM {there}.accounts`,
			`SELECT item FROM orders; SELECT set_config('app.tenant', '{victim}', true); SELECT item FROM orders`)),
	}
}

// nobodyReads runs statements for no tenant, and, with the stolen password, in
// sessions that nobody has opened.
func nobodyReads(ctx context.Context, s *scene) error {
	for _, d := range []door{s.open, s.tight} {
		for _, sql := range reads() {
			got, _ := s.collect(d.nobody(ctx, s.expand(sql))) // refusals are heard
			s.hear(got...)
		}
	}
	return s.steal(ctx, reads()...)
}

// honestly runs statements for a tenant in one transaction, which the attacker
// does not hear. What is refused there is refused: an attack may need the
// victim to do something that the wall does not let it do.
func (s *scene) honestly(ctx context.Context, d door, who party, sqls ...string) (last []string, err error) {
	tx, err := d.begin(ctx, who)
	if err != nil {
		return nil, err
	}
	for _, sql := range sqls {
		if last, err = answered(tx.Query(ctx, s.expand(sql))); err != nil {
			return nil, errors.Join(err, tx.Rollback(ctx))
		}
	}
	return last, tx.Commit(ctx)
}

// outcome runs a statement for the attacker and says how it ended: a code, or
// how many rows came back.
func (s *scene) outcome(ctx context.Context, sql string) string {
	got, err := s.ask(ctx, s.open, s.attacker, sql)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	if err != nil {
		return "refused"
	}
	return string(rune('0' + len(got)%10))
}

// whileWorking runs fn while the victim has a transaction open in which it has
// run the statement.
func (s *scene) whileWorking(ctx context.Context, sql string, fn func()) error {
	tx, err := s.open.begin(ctx, s.victim)
	if err != nil {
		return err
	}
	_, _ = answered(tx.Query(ctx, s.expand(sql))) // what the wall refuses the victim is of no use to the attacker either
	fn()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		return err
	}
	return nil
}

// soon bounds a wait for what should happen at once.
const soon = 2 * time.Second
