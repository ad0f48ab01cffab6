package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

func sessionCases() []Case {
	const watching = "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC"
	return []Case{
		same("25", "literals in pg_stat_activity", onPolicy, func(ctx context.Context, s *scene) error {
			return s.watch(ctx, func() error {
				s.try(ctx, watches()...)
				return s.steal(ctx, watches()...)
			})
		}),
		{
			ID: "25p", Name: "the same, with the stolen password in database postgres", On: onPolicy, Control: elsewhere, Attack: elsewhere,
			Open: when(everywhere, "functions are revoked in the wall's databases, and whether others let everybody in is for their owners to say: "+watching),
		},
		same("26", "a HOLD cursor, LISTEN, a prepared plan across checkout", onPolicy, checkout),
		same("27", "a temporary table in front of the real one", onPolicy, shadowed),
		same("28", "large objects", onPolicy, largeObject),
		same("29l", "lastval() and currval() across checkout", onPolicy, lastDrawn),
		same("30", "advisory locks", onPolicy, advisory),
		same("30t", "a table's lock as an oracle, and to shut others out", onPolicy, tableLock),
		{
			ID: "30p", Name: "LOCK TABLE with the stolen password", On: onPolicy, Control: stolenLock, Attack: stolenLock,
			Open: when(everywhere, "whoever may UPDATE a table may lock it, and no right takes that away"),
		},
		{
			ID: "31", Name: "the payload of NOTIFY, heard with the stolen password", On: onPolicy, Control: notified, Attack: notified,
			Open: when(everywhere, "no right shuts LISTEN, and hosts' triggers need NOTIFY: send no secrets"),
		},
		same("33", "a goroutine that outlives its tenant", onPolicy, outlive),
	}
}

func watches() []string {
	return []string{
		`SELECT query FROM pg_stat_activity`, `SELECT pg_stat_get_activity(NULL)::text`,
		`SELECT pg_stat_get_backend_activity(b) FROM pg_stat_get_backend_idset() AS b`,
		`SELECT statement FROM pg_prepared_statements`, `SELECT query FROM pg_stat_statements`,
	}
}

// watch has the victim in the middle of a transaction whose last statement has
// a literal in it.
func (s *scene) watch(ctx context.Context, fn func() error) (err error) {
	working := s.whileWorking(ctx, `SELECT '`+s.victim.canary+` literal' FROM orders`, func() { err = fn() })
	return errors.Join(err, working)
}

// elsewhere looks at the sessions from a database in which nobody has put up a
// wall.
func elsewhere(ctx context.Context, s *scene) error {
	return s.watch(ctx, func() error {
		conn, err := pgx.Connect(ctx, s.house.url(s.role(), "postgres"))
		if err != nil {
			s.hearError(err)
			return nil // shut: that is an answer
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
		for _, sql := range watches() {
			got, _ := s.collect(conn.Query(ctx, sql, pgx.QueryExecModeExec)) // refusals are heard
			s.hear(got...)
		}
		return nil
	})
}

// checkout has the victim leave things in the only connection's session, and
// the attacker look for them.
func checkout(ctx context.Context, s *scene) error {
	for _, leave := range []string{
		`DECLARE loot CURSOR WITH HOLD FOR SELECT item FROM orders`, `PREPARE loot AS SELECT '` + s.victim.canary + ` literal'`, `LISTEN loot`,
	} {
		_, _ = s.honestly(ctx, s.tight, s.victim, leave) // what is refused is not left
	}
	for _, sql := range []string{
		`FETCH ALL FROM loot`, `EXECUTE loot`, `SELECT statement FROM pg_prepared_statements`, `SELECT statement FROM pg_cursors`,
	} {
		got, _ := s.ask(ctx, s.tight, s.attacker, sql) // refusals are heard
		s.hear(got...)
	}
	got, _ := s.ask(ctx, s.tight, s.attacker, `SELECT pg_listening_channels()`)
	if len(got) > 0 {
		s.findf("the session still listens to %q", got)
	}
	return nil
}

// shadowed puts a table in front of the one that the victim writes to.
func shadowed(ctx context.Context, s *scene) error {
	_ = s.transaction(ctx, s.tight, s.attacker, `CREATE TEMP TABLE accounts (tenant_id bigint, id bigserial, email text)`,
		`CREATE TABLE {here}.accounts (tenant_id bigint, id bigserial, email text)`, `SET search_path = pg_temp, {here}, public`) // refusals are heard
	secret := s.victim.canary + ` new`
	if _, err := s.honestly(ctx, s.tight, s.victim, `INSERT INTO accounts (email) VALUES ('`+secret+`')`); err != nil {
		return err
	}
	for _, sql := range []string{`SELECT email FROM accounts`, `SELECT email FROM pg_temp.accounts`} {
		got, _ := s.ask(ctx, s.tight, s.attacker, sql) // refusals are heard
		s.hear(got...)
	}
	_, err := s.honestly(ctx, s.tight, s.victim, `DELETE FROM accounts WHERE email = '`+secret+`'`)
	return err
}

func largeObject(ctx context.Context, s *scene) error {
	_, _ = s.honestly(ctx, s.open, s.victim, `SELECT lo_from_bytea(4711, '`+s.victim.canary+`'::bytea)`) // the wall refuses it
	look := []string{
		`SELECT convert_from(lo_get(4711), 'UTF8')`, `SELECT convert_from(data, 'UTF8') FROM pg_largeobject`,
		`SELECT convert_from(loread(lo_open(4711, 262144), 1000), 'UTF8')`,
	}
	s.try(ctx, look...)
	if err := s.steal(ctx, look...); err != nil {
		return err
	}
	_, _ = s.honestly(ctx, s.open, s.victim, `SELECT lo_unlink(4711)`) // as above
	return nil
}

// lastDrawn has the victim draw from a sequence on the only connection, and asks
// it what was drawn.
func lastDrawn(ctx context.Context, s *scene) error {
	for _, sql := range []string{`SELECT lastval()`, `SELECT currval('{there}.accounts_id_seq')`, `SELECT currval('accounts_id_seq')`} {
		drawn, err := s.honestly(ctx, s.tight, s.victim, `SELECT nextval('accounts_id_seq')`)
		if err != nil {
			return err
		}
		if last, _ := s.ask(ctx, s.tight, s.attacker, sql); len(last) == 1 && last[0] == drawn[0] {
			s.findf("the victim drew %s", last[0])
		}
	}
	return nil
}

func advisory(ctx context.Context, s *scene) error {
	try := func() {
		got, _ := s.ask(ctx, s.open, s.attacker, `SELECT pg_try_advisory_xact_lock(42)`) // refusals are heard
		if len(got) == 1 && got[0] == "false" {
			s.findf("the victim holds the lock")
		}
	}
	if err := s.whileWorking(ctx, `SELECT pg_advisory_xact_lock(42)`, try); err != nil {
		return err
	}
	// The lease of the victim's, which whoever fences it waits for.
	lease := fmt.Sprintf(`SELECT pg_try_advisory_lock(%d)::text || ' lease'`, s.victim.Number^5786932019442810880)
	got, _ := s.ask(ctx, s.open, s.attacker, lease)
	if len(got) == 1 {
		s.findf("holds the victim's lease: %s", got[0])
	}
	return nil
}

// notified listens with the stolen password.
func notified(ctx context.Context, s *scene) error {
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	if _, err := conn.Exec(ctx, `LISTEN orders`); err != nil {
		return err
	}
	if _, err := s.honestly(ctx, s.open, s.victim, `SELECT pg_notify('orders', '`+s.victim.canary+`')`); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	if n, err := conn.WaitForNotification(ctx); err == nil {
		s.hear(n.Payload)
	}
	return nil
}

// outlive keeps what a transaction of the attacker's has given, and uses it
// while the connection is the victim's.
func outlive(ctx context.Context, s *scene) error {
	old, err := s.tight.begin(ctx, s.attacker)
	if err != nil {
		return err
	}
	defer func() { _ = old.Rollback(context.WithoutCancel(ctx)) }() // it is over, or should be
	nested, err := old.Begin(ctx)
	if err != nil {
		return err
	}
	conn := old.Conn()
	if err := old.Commit(ctx); err != nil {
		return err
	}
	now, err := s.tight.begin(ctx, s.victim)
	if err != nil {
		return err
	}
	defer func() { _ = now.Rollback(context.WithoutCancel(ctx)) }() // it has only read
	if _, err := answered(now.Query(ctx, `SELECT 1`)); err != nil {
		return err
	}
	for _, sql := range reads() {
		for _, tx := range []pgx.Tx{old, nested} {
			got, _ := s.collect(tx.Query(ctx, s.expand(sql))) // refusals are heard
			s.hear(got...)
		}
		if conn != nil {
			got, _ := s.collect(conn.Query(ctx, s.expand(sql)))
			s.hear(got...)
		}
	}
	return nil
}
