package main

import (
	"context"
	"errors"
	"slices"
)

// locks are the ways to lock a table of which one may not be the owner. Those
// that no right allows wait for the lock all the same, before they are refused.
func locks() []string {
	return []string{
		`LOCK TABLE {there}.accounts IN ACCESS EXCLUSIVE MODE NOWAIT`, "/**/;lock {there}.accounts", `DO $$ BEGIN LOCK TABLE {there}.accounts; END $$`,
		`CREATE TRIGGER loot BEFORE INSERT ON {there}.accounts FOR EACH ROW EXECUTE FUNCTION loot()`,
		`CREATE OR REPLACE CONSTRAINT TRIGGER loot AFTER INSERT ON {there}.accounts FOR EACH ROW EXECUTE FUNCTION loot()`,
		`CREATE RULE loot AS ON INSERT TO {there}.accounts DO NOTHING`, `CREATE OR REPLACE RULE loot AS ON INSERT TO {there}.accounts DO NOTHING`,
	}
}

// tableLock tries to lock a table while the victim works on it, by statements of
// the application's.
func tableLock(ctx context.Context, s *scene) error {
	for _, sql := range locks() {
		if err := s.compare(ctx, func() error {
			return s.transaction(ctx, s.open, s.attacker, `SET LOCAL lock_timeout = '50ms'`, sql)
		}); err != nil {
			return err
		}
	}
	return nil
}

// stolenLock is the same in a session of the stolen password's, which keeps the
// lock for as long as it likes.
func stolenLock(ctx context.Context, s *scene) error {
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	lock := `BEGIN; LOCK TABLE ` + quote(s.schema(s.victim)) + `.accounts IN ACCESS EXCLUSIVE MODE NOWAIT`
	return s.compare(ctx, func() error {
		s.hearError(conn.PgConn().Exec(ctx, lock).Close())
		return conn.PgConn().Exec(ctx, `ROLLBACK`).Close()
	})
}

// compare finds out whether what try does ends otherwise while the victim works.
func (s *scene) compare(ctx context.Context, try func() error) error {
	var errs []error
	ends := func() []string {
		from := len(s.heard)
		errs = append(errs, try())
		return slices.Clone(s.heard[from:])
	}
	free, busy := ends(), []string(nil)
	err := s.whileWorking(ctx, `UPDATE accounts SET email = email`, func() { busy = ends() })
	if !slices.Equal(free, busy) {
		s.findf("can lock the victim's table, and tell whether it is in use: %q, %q", free, busy)
	}
	return errors.Join(append(errs, err)...)
}
