package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// forgery is what one loop on the server shows at the gate, again and again. Its
// SQL is a call whose result is not null and not 0 when somebody is let in; i is
// the number of the attempt, and n what is made of it at random.
type forgery struct {
	name string
	call string
	ways int // how many different attempts there are, 0 for any number
}

// random is an expression of a random bytea of 32 bytes, and word of 64 bits.
const (
	random = `sha256((random()::text || clock_timestamp()::text)::bytea)`
	word   = `('x' || substr(encode(` + random + `, 'hex'), 1, 16))::bit(64)::bigint`
)

// flip is an expression of a genuine value with bit i of it the other way.
func flip(value []byte) string {
	text := fmt.Sprintf(`'\x%x'::bytea`, value)
	return fmt.Sprintf(`set_bit(%s, (i %% %d)::int, 1 - get_bit(%[1]s, (i %% %[2]d)::int))`, text, 8*len(value))
}

// bindings are forged session secrets, in a session that has a genuine one.
func bindings(secret, victim, epoch int64) []forgery {
	bind := func(k string) string {
		return fmt.Sprintf(`partywall.bind(%s, %d, %d, i %% 2 = 1, -1)`, k, victim, epoch)
	}
	return []forgery{
		{name: "bind, a random secret", call: bind(word)},
		{name: "bind, a small secret", call: bind(`(i - 1000)::bigint`)},
		{name: "bind, one bit of the secret flipped", call: bind(fmt.Sprintf(`(%d::bigint # (1::bigint << (i %% 64)::int))`, secret)), ways: 64},
		{name: "bind, no secret", call: bind(`NULL`), ways: 2},
		{name: "bind, what the attacker may compute", call: bind(`CASE i % 5 WHEN 0 THEN pg_backend_pid() WHEN 1 THEN 9223372036854775807 WHEN 2 THEN (-9223372036854775807) - 1 WHEN 3 THEN currval('partywall.mark') ELSE 0 END`), ways: 5},
	}
}

// openings are forged signatures of a session: genuine is one for this backend
// that has not been shown yet, stranger one for another.
func openings(genuine, stranger [][]byte) []forgery {
	open := func(kid, k, expires, mac string) string {
		return fmt.Sprintf(`partywall.open_session(%s, %s, %s, %s)`, kid, k, expires, mac)
	}
	v := literals(genuine)
	o := literals(stranger)
	return []forgery{
		{name: "open_session, a random signature", call: open(v[0], word, v[2], random)},
		{name: "open_session, one bit of the signature flipped", call: open(v[0], v[1], v[2], flip(genuine[3])), ways: 256},
		{name: "open_session, one bit of the secret flipped", call: open(v[0], fmt.Sprintf(`(%s # (1::bigint << (i %% 64)::int))`, v[1]), v[2], v[3]), ways: 64},
		{name: "open_session, one bit of the expiry flipped", call: open(v[0], v[1], fmt.Sprintf(`(%s # (1::bigint << (i %% 64)::int))`, v[2]), v[3]), ways: 64},
		{name: "open_session, another key", call: open(`(i + 2)::int`, v[1], v[2], v[3])},
		{name: "open_session, a signature of any length", call: open(v[0], v[1], v[2], `substr(`+random+`, 1, (i % 32)::int)`)},
		{name: "open_session, NULLs", call: open(null(v[0], 0), null(v[1], 1), null(v[2], 2), null(v[3], 3)), ways: 15},
		{name: "open_session, another backend's", call: open(o[0], o[1], o[2], o[3]), ways: 1},
	}
}

// entries are forged tokens: genuine is one of the attacker's own.
func entries(genuine [][]byte, victim int64) []forgery {
	enter := func(kid, t, e, readonly, ms, expires, mac string) string {
		return fmt.Sprintf(`partywall.enter(%s, %s, %s, %s, %s, %s, %s)`, kid, t, e, readonly, ms, expires, mac)
	}
	v := literals(genuine)
	flipped := func(text string) string { return fmt.Sprintf(`(%s # (1::bigint << (i %% 64)::int))`, text) }
	to := fmt.Sprintf(`%d::bigint`, victim)
	return []forgery{
		{name: "enter, a random signature", call: enter(v[0], to, v[2], v[3], v[4], v[5], random)},
		{name: "enter, one bit of the signature flipped", call: enter(v[0], v[1], v[2], v[3], v[4], v[5], flip(genuine[6])), ways: 256},
		{name: "enter, one bit of the tenant flipped", call: enter(v[0], flipped(v[1]), v[2], v[3], v[4], v[5], v[6]), ways: 64},
		{name: "enter, one bit of the epoch flipped", call: enter(v[0], v[1], flipped(v[2]), v[3], v[4], v[5], v[6]), ways: 64},
		{name: "enter, read only or not", call: enter(v[0], v[1], v[2], `NOT `+v[3], v[4], v[5], v[6]), ways: 1},
		{name: "enter, one bit of the expiry flipped", call: enter(v[0], v[1], v[2], v[3], v[4], flipped(v[5]), v[6]), ways: 64},
		{name: "enter, another key", call: enter(`(i + 2)::int`, v[1], v[2], v[3], v[4], v[5], v[6])},
		{name: "enter, any tenant", call: enter(v[0], `(i + 1000000)::bigint`, v[2], v[3], v[4], v[5], v[6])},
		{name: "enter, NULLs", call: enter(null(v[0], 0), null(v[1], 1), null(v[2], 2), null(v[3], 3), v[4], null(v[5], 4), null(v[6], 5)), ways: 63},
	}
}

// null is an expression that is NULL in the attempts that have the bit set. They
// are counted from 1, so that none is without any.
func null(text string, bit int) string {
	return fmt.Sprintf(`CASE WHEN i >> %d & 1 = 0 THEN %s END`, bit, text)
}

// literals are parameters of the gate as SQL.
func literals(params [][]byte) []string {
	marks := make([]string, len(params))
	for i := range params {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Split(literally(strings.Join(marks, "\n"), params), "\n")
}

// loop runs the attempts in the server, and says in a notice how many were let
// in, and how many failed for another reason than the gate's.
const loop = `DO $do$
	DECLARE got text; accepted bigint := 0; odd bigint := 0;
	BEGIN
		FOR i IN 1 .. %d LOOP
			BEGIN
				got := (%s)::text;
				IF got IS DISTINCT FROM '0' THEN accepted := accepted + 1; END IF;
			EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE NOT IN ('PW001', 'PW002', 'PW003') THEN odd := odd + 1; END IF;
			END;
		END LOOP;
		RAISE NOTICE 'accepted %% odd %%', accepted, odd;
	END $do$`

// forged is how many attempts of a kind were made and let in. Odd ones failed
// before the gate had looked at them, and prove nothing.
type forged struct {
	name                    string
	attempts, accepted, odd int
}

// try makes up to n attempts of one kind.
func (f forgery) try(ctx context.Context, conn *pgx.Conn, notices *string, n int) (forged, error) {
	if f.ways > 0 {
		n = min(n, f.ways)
	}
	out := forged{name: f.name, attempts: n}
	//scopecheck:allow attacks are SQL that is put together
	if err := conn.PgConn().Exec(ctx, fmt.Sprintf(loop, n, f.call)).Close(); err != nil {
		return out, fmt.Errorf("%s: %w", f.name, err)
	}
	_, err := fmt.Sscanf(*notices, "accepted %d odd %d", &out.accepted, &out.odd)
	return out, err
}

// forge makes n attempts in all to get past the gate of a house, as the attacker
// of its shared tables, with the stolen password: the kinds that know a number
// of ways make those, and the others share the rest.
func (h *house) forge(ctx context.Context, n int) (all []forged, err error) {
	s := h.scene(combination{h.mode, tenant.Shared})
	key, err := s.key(ctx)
	if err != nil {
		return nil, err
	}
	var notice string
	config, err := pgx.ParseConfig(h.url(h.app, h.name))
	if err != nil {
		return nil, err
	}
	config.OnNotice = func(_ *pgconn.PgConn, got *pgconn.Notice) { notice = got.Message }
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	kinds, err := s.kinds(ctx, conn, key)
	if err != nil {
		return nil, err
	}
	open := 0
	for _, k := range kinds {
		if k.ways == 0 {
			open++
		}
		n -= k.ways
	}
	for _, k := range kinds {
		got, err := k.try(ctx, conn, &notice, max(n/open+1, k.ways))
		if err != nil {
			return all, err
		}
		all = append(all, got)
	}
	return all, nil
}

// kinds are the forgeries of a mode, around something genuine that the gate does
// take: otherwise it would refuse everything.
func (s *scene) kinds(ctx context.Context, conn *pgx.Conn, key signer) ([]forgery, error) {
	soon := time.Now().Add(24 * time.Hour).Unix()
	if s.mode.Pooled {
		l, err := s.listen(ctx, plaintext())
		if err != nil {
			return nil, err
		}
		defer l.close()
		if err := l.serve(ctx, s.attacker); err != nil {
			return nil, err
		}
		if err := s.present(ctx, conn, enterSQL, l.token()); err != nil {
			return nil, fmt.Errorf("control: the gate refuses a genuine token: %w", err)
		}
		long := key.token(s.attacker.Number, s.attacker.Placement.Epoch, soon) // the one seen would expire on the way
		return entries(long, s.victim.Number), nil
	}
	const secret = 4815162342
	pid := conn.PgConn().PID()
	if err := s.present(ctx, conn, openSQL, key.session(secret, pid, soon)); err != nil {
		return nil, fmt.Errorf("control: the gate refuses a genuine session: %w", err)
	}
	if err := s.present(ctx, conn, bindSQL, [][]byte{int8s(secret), int8s(s.attacker.Number), int8s(s.attacker.Placement.Epoch), {0}, int4s(-1)}); err != nil {
		return nil, fmt.Errorf("control: the gate refuses a genuine secret: %w", err)
	}
	return append(bindings(secret, s.victim.Number, s.victim.Placement.Epoch),
		openings(key.session(secret+1, pid, soon), key.session(secret+1, pid+1, soon))...), nil
}
