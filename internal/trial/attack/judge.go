package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/partywall/partywall/internal/trial/mode"
)

// caseTime is how long an attack may take. One that hangs is broken.
const caseTime = 30 * time.Second

// run plays every case on the control and then in its strategies, and tells
// each outcome.
func (h *house) run(ctx context.Context, all []Case, tell func(Outcome)) error {
	controls := map[string]*scene{}
	for on, role := range map[string]string{onPolicy: h.plain.app, onOwner: h.plain.owner} {
		s, err := h.control(ctx, role)
		if err != nil {
			return err
		}
		controls[on] = s
	}
	for _, c := range all {
		in := h.strategies
		if c.Once {
			in = in[:1]
		}
		if c.Once && h.mode != mode.All()[0] {
			continue
		}
		s := controls[onPolicy]
		if c.On == onOwner {
			s = controls[onOwner]
		}
		evidence, err := s.again().play(ctx, c.Control)
		h.plain.reset(ctx)
		for _, strategy := range in {
			o := Outcome{Case: c, At: combination{h.mode, strategy}}
			switch {
			case err != nil:
				o.Verdict, o.Evidence = Broken, "control: "+err.Error()
			case len(evidence) == 0:
				o.Verdict = NoControl
			default:
				h.judge(ctx, &o)
			}
			tell(o)
		}
	}
	return nil
}

// What the controls are played on.
const (
	onPolicy = "policy on a setting"
	onOwner  = "app owns its tables"
	onNaive  = "naive handler"
	onGap    = "catalog, a rule gone"
)

// judge plays a case against the wall.
func (h *house) judge(ctx context.Context, o *Outcome) {
	s := h.scene(o.At)
	evidence, err := s.play(ctx, o.Case.Attack)
	reason := ""
	if o.Case.Open != nil {
		reason = o.Case.Open(o.At)
	}
	switch {
	case err != nil:
		o.Verdict, o.Evidence = Broken, err.Error()
	case len(evidence) > 0 && reason != "":
		o.Verdict, o.Evidence = Open, reason
	case len(evidence) > 0:
		o.Verdict, o.Evidence = Leak, strings.Join(evidence, "; ")
	case reason != "":
		o.Verdict, o.Evidence = Shut, reason
	case o.Case.Unbuilt != "":
		o.Verdict, o.Evidence = Unbuilt, o.Case.Unbuilt
	case s.proven:
		o.Verdict, o.Evidence = Proven, "found by prove as "+o.Case.Proof+", and closed by what it prints"
	default:
		o.Verdict, o.Evidence = Held, o.Case.By
	}
}

// play seeds the rows, plays the attack, and returns what shows that it got
// through. A house that does not serve its tenants any more is an error: one
// that serves nobody holds everything.
func (s *scene) play(ctx context.Context, attack Attack) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	if err := s.seed(ctx); err != nil {
		return nil, fmt.Errorf("seeding: %w", err)
	}
	before, err := s.victims(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.played(attack(ctx, s)); err != nil {
		return nil, err
	}
	after, err := s.victims(ctx)
	if err != nil {
		return nil, err
	}
	evidence := s.evidence()
	if before != after {
		evidence = append(evidence, "the victim's rows have changed")
	}
	if len(evidence) > 0 {
		return evidence, nil
	}
	if s.honest(ctx) == nil {
		return nil, nil
	}
	// The attacker may have emptied its own tables, which is its own affair.
	if err := s.seed(ctx); err != nil {
		return nil, fmt.Errorf("seeding again: %w", err)
	}
	return nil, s.honest(ctx)
}

// evidence is what shows that the attacker has come to know of the victim.
func (s *scene) evidence() []string {
	evidence := slices.Clone(s.found)
	for _, text := range s.heard {
		if _, after, read := strings.Cut(text, s.victim.canary); read {
			return append(evidence, fmt.Sprintf("read %.80q", s.victim.canary+after))
		}
	}
	return evidence
}

// honest makes sure that both tenants still get their own rows.
func (s *scene) honest(ctx context.Context) error {
	for _, who := range []party{s.attacker, s.victim} {
		rows, err := s.open.query(ctx, who, `SELECT email FROM accounts`)
		if err != nil {
			return fmt.Errorf("%s is not served any more: %w", who.Slug, err)
		}
		got, err := read(rows)
		if err != nil || !slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, who.canary) }) {
			return fmt.Errorf("%s does not get its own rows any more: %q, %w", who.Slug, got, cmp.Or(err, errors.New("no error")))
		}
	}
	return nil
}

// seed gives both tenants their rows, and puts one of the victim's where it does
// not belong: among the attacker's. So the policies have something to hide also
// in a place that is the tenant's own.
func (s *scene) seed(ctx context.Context) error {
	for _, who := range []party{s.attacker, s.victim} {
		fill := []string{`SET search_path = ` + quote(s.schema(who)), `TRUNCATE orders, accounts, lines RESTART IDENTITY`}
		if who.Number == s.victim.Number && s.place(s.attacker) == s.place(s.victim) {
			fill = fill[:1]
		}
		fill = append(fill, s.rows(who)...)
		if who.Number == s.attacker.Number && s.place(s.attacker) != s.place(s.victim) {
			fill = append(fill, s.rows(s.victim)[0])
		}
		fill = append(fill, `ANALYZE orders, accounts, lines`)
		if err := s.house.admins.run(ctx, s.database(who), strings.Join(fill, "; ")); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) place(of party) string { return s.database(of) + "." + s.schema(of) }

// rows are the statements that make a tenant's rows, the orders first.
func (s *scene) rows(who party) []string {
	return []string{
		fmt.Sprintf(`INSERT INTO orders (tenant_id, id, item) SELECT %d, %d + i, '%s ' || i FROM generate_series(1, 3) AS i`, who.Number, who.Number*100, who.canary),
		fmt.Sprintf(`INSERT INTO accounts (tenant_id, email) SELECT %d, '%s ' || i FROM generate_series(1, 3) AS i`, who.Number, who.canary),
		fmt.Sprintf(`INSERT INTO accounts (tenant_id, email) VALUES (%d, '%s')`, who.Number, who.guess),
	}
}

// victims are all the victim's rows, wherever they are, past the wall.
func (s *scene) victims(ctx context.Context) (string, error) {
	var all []string
	for _, where := range []party{s.attacker, s.victim} {
		conn, err := s.house.admins.to(ctx, s.database(where))
		if err != nil {
			return "", err
		}
		schema, got := quote(s.schema(where)), ""
		err = conn.QueryRow(ctx, `SELECT concat(
			(SELECT string_agg(o::text, ' ' ORDER BY o.id) FROM `+schema+`.orders o WHERE tenant_id = $1),
			(SELECT string_agg(a::text, ' ' ORDER BY a.id) FROM `+schema+`.accounts a WHERE tenant_id = $1),
			(SELECT string_agg(l::text, ' ' ORDER BY l.order_id) FROM `+schema+`.lines l WHERE tenant_id = $1))`, s.victim.Number).Scan(&got)
		if err != nil {
			return "", fmt.Errorf("looking at the victim's rows: %w", err)
		}
		all = append(all, got)
	}
	return strings.Join(all, "\n"), nil
}

// inOrder sorts cases by their numbers.
func inOrder(all []Case) []Case {
	slices.SortStableFunc(all, func(a, b Case) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// played is the error of an attack that has been played.
func (s *scene) played(err error) error { return errors.Join(err, s.broken) }
