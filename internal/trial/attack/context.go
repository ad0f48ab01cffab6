package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// The gate's statements, with parameters in the library's format.
const (
	openSQL  = `SELECT partywall.open_session($1, $2, $3, $4)`
	bindSQL  = `SELECT partywall.bind($1, $2, $3, $4, $5)`
	enterSQL = `SELECT partywall.enter($1, $2, $3, $4, $5, $6, $7)`
)

func contextCases() []Case {
	const verified = "by TLS with a server that is verified; in the clear, and with one that is not, it gets through "
	claim := func(ctx context.Context, s *scene) error {
		return s.steal(ctx, append([]string{`SELECT set_config('app.tenant', '{victim}', false)`}, reads()...)...)
	}
	return []Case{
		{ID: "05", Name: "a genuine token, the tenant swapped", On: onPolicy, Control: claim, Attack: swapped},
		{
			// In the clear, who reads the network and injects SQL too has the
			// session's secret.
			ID: "05w", Name: "what is seen on the wire, injected into the same session", On: onPolicy, Control: overheard,
			Attack: onWire(injectedSeen, together), By: verified + "within one database",
		},
		{
			// In the clear, a pooler's token is good for 60 s: it is tied to its
			// tenant and epoch, and to no connection.
			ID: "06", Name: "what is seen on the wire, replayed on another backend", On: onPolicy, Control: overheard,
			Attack: onWire(replayed, pooled), By: verified + "behind a pooler",
		},
		{ID: "07", Name: "an expired token, an unknown key", On: onPolicy, Control: claim, Attack: expired},
		same("08", "a context left for the pool's next user", onPolicy, left),
	}
}

// present shows parameters to the gate on a connection of the stolen
// password's.
func (s *scene) present(ctx context.Context, conn *pgx.Conn, sql string, params [][]byte) error {
	if params == nil {
		return errUnseen
	}
	binary := []int16{pgx.BinaryFormatCode}
	_, err := conn.PgConn().ExecParams(ctx, sql, params, typesOf(sql), binary, binary).Close()
	s.hearError(err)
	return err
}

func typesOf(sql string) []uint32 {
	switch sql {
	case openSQL:
		return []uint32{pgtype.Int4OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.ByteaOID}
	case bindSQL:
		return []uint32{pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.BoolOID, pgtype.Int4OID}
	}
	return []uint32{pgtype.Int4OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.BoolOID, pgtype.Int4OID, pgtype.Int8OID, pgtype.ByteaOID}
}

// shown is something to show at the gate.
type shown struct {
	sql    string
	params [][]byte
}

// presentAll logs in where the victim's rows are, shows what there is, and reads
// in the same transaction. It reports whether the gate has taken all of it.
func (s *scene) presentAll(ctx context.Context, all ...shown) (taken bool, err error) {
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // whatever became of it
	if !s.mode.Pooled {
		return s.showAndRead(ctx, conn, all), nil
	}
	if _, err := conn.Exec(ctx, `BEGIN`); err != nil {
		return false, err
	}
	return s.showAndRead(ctx, conn, all), nil
}

func (s *scene) showAndRead(ctx context.Context, conn *pgx.Conn, all []shown) bool {
	taken := true
	for _, one := range all {
		taken = s.present(ctx, conn, one.sql, one.params) == nil && taken
	}
	for _, sql := range reads() {
		got, _ := s.collect(conn.Query(ctx, s.expand(sql))) // refusals are heard
		s.hear(got...)
	}
	return taken
}

// with returns a copy of parameters with one of them replaced.
func with(params [][]byte, at int, value []byte) [][]byte {
	if params == nil {
		return nil
	}
	changed := slices.Clone(params)
	changed[at] = value
	return changed
}

// gateOf returns what was seen on the wire of a tenant, as one shows it again.
func (s *scene) gateOf(l *listened) []shown {
	if s.mode.Pooled {
		return []shown{{enterSQL, l.token()}}
	}
	return []shown{{openSQL, l.session()}, {bindSQL, l.bind()}}
}

// swapped takes the attacker's own genuine token, and names the victim in it.
func swapped(ctx context.Context, s *scene) error {
	l, err := s.listen(ctx, plaintext())
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.serve(ctx, s.attacker); err != nil {
		return err
	}
	gate := s.gateOf(l)
	last := len(gate) - 1
	gate[last].params = with(gate[last].params, 1, int8s(s.victim.Number))
	if _, err := s.presentAll(ctx, gate...); err != nil {
		return err
	}
	// A token of one kind is no proof for the other.
	_, err = s.presentAll(ctx, shown{openSQL, [][]byte{int4s(1), int8s(s.victim.Number), int8s(time.Now().Unix() + 60), make([]byte, 32)}},
		shown{bindSQL, [][]byte{int8s(s.victim.Number), int8s(s.victim.Number), int8s(s.victim.Placement.Epoch), {0}, int4s(-1)}})
	return err
}

// replayed shows what the library has shown for the victim.
func replayed(ctx context.Context, s *scene, l *listened) error {
	if err := l.serve(ctx, s.victim); err != nil {
		return err
	}
	gate := s.gateOf(l)
	if gate[len(gate)-1].params == nil {
		return errUnseen
	}
	_, err := s.presentAll(ctx, gate...)
	return err
}

// injectedSeen injects into the attacker's own transaction what was seen of the
// session and of the victim.
func injectedSeen(ctx context.Context, s *scene, l *listened) error {
	if err := l.serve(ctx, s.victim); err != nil {
		return err
	}
	sql, seen := enterSQL, l.token()
	if err := l.serve(ctx, s.attacker); err != nil {
		return err
	}
	if !s.mode.Pooled {
		sql, seen = bindSQL, with(with(l.bind(), 1, int8s(s.victim.Number)), 2, int8s(s.victim.Placement.Epoch))
	}
	if seen == nil {
		return errUnseen
	}
	return s.transaction(ctx, walled{l.db}, s.attacker, append([]string{literally(sql, seen)}, reads()...)...)
}

// expired shows what was good once, and what is signed by a key that the server
// does not know. Shown in time and signed by the right one it must be taken, or
// the attack would prove nothing.
func expired(ctx context.Context, s *scene) error {
	key, err := s.key(ctx)
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	stranger := signer{99, make([]byte, 32)}
	renamed := signer{99, key.secret}
	wrong := signer{key.id, make([]byte, 32)}
	for _, one := range []struct {
		by      signer
		expires int64
	}{{key, now - 1}, {key, now - 86400}, {key, 0}, {key, -1 << 63}, {stranger, now + 60}, {renamed, now + 60}, {wrong, now + 60}} {
		if taken, err := s.signed(ctx, one.by, one.expires); err != nil || taken {
			s.findf("a gate took what key %d signed to expire at %d", one.by.id, one.expires)
			return err
		}
	}
	check := s.again()
	if taken, err := check.signed(ctx, key, now+60); err != nil || !taken {
		return fmt.Errorf("control: the gate refuses a good signature: %v, %w", check.heard, errors.Join(err, errors.New("no control")))
	}
	return nil
}

// signed shows what a key has signed for the victim.
func (s *scene) signed(ctx context.Context, by signer, expires int64) (bool, error) {
	if s.mode.Pooled {
		return s.presentAll(ctx, shown{enterSQL, by.token(s.victim.Number, s.victim.Placement.Epoch, expires)})
	}
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // whatever became of it
	return s.showAndRead(ctx, conn, []shown{
		{openSQL, by.session(42, conn.PgConn().PID(), expires)},
		{bindSQL, [][]byte{int8s(42), int8s(s.victim.Number), int8s(s.victim.Placement.Epoch), {0}, int4s(-1)}},
	}), nil
}

// left has the victim served on the only connection, by an application that
// sets the context for the session, and looks at what the next user finds.
func left(ctx context.Context, s *scene) error {
	_, _ = s.honestly(ctx, s.tight, s.victim, `SELECT set_config('app.tenant', '{victim}', false)`) // the wall refuses it
	_, err := s.honestly(ctx, s.tight, s.victim, `SELECT count(*) FROM orders`)
	if err != nil {
		return err
	}
	for _, sql := range reads() {
		got, _ := s.collect(s.tight.nobody(ctx, s.expand(sql))) // refusals are heard
		s.hear(got...)
	}
	_ = s.transaction(ctx, s.tight, s.attacker, reads()...) // likewise
	if !s.wall || !s.mode.Pooled {
		return nil
	}
	// The pooler's next client, with the stolen password.
	config, err := pgx.ParseConfig(s.house.through(s.role(), s.database(s.victim)))
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	for range 10 {
		got, _ := s.collect(conn.Query(ctx, s.expand(`SELECT item FROM {there}.orders`))) // refusals are heard
		s.hear(got...)
	}
	return nil
}
