package prove

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

// forge tries to become the other by what a statement can say.
func (p prober) forge(ctx context.Context, tx pgx.Tx) error {
	n, e := p.other.Number, p.other.Placement.Epoch
	for _, sql := range []string{
		fmt.Sprintf(`SELECT set_config('partywall.mark', '%d', true)`, n),
		fmt.Sprintf(`SELECT setval('partywall.mark', %d)`, n),
		fmt.Sprintf(`SELECT partywall.bind(NULL, %d, %d, false, -1)`, n, e),
		`SELECT partywall.open_session(1, 0, 9999999999, '\x00')`, // whose secret is shown in the next
		fmt.Sprintf(`SELECT partywall.bind(0, %d, %d, false, -1)`, n, e),
		fmt.Sprintf(`SELECT partywall.rebind(NULL, %d, %d, NULL, NULL)`, n, e),
		fmt.Sprintf(`SELECT partywall.rebind(0, %d, %d, 1, 'public')`, n, e),
		fmt.Sprintf(`SELECT partywall.enter(NULL, %d, %d, false, -1, NULL, NULL)`, n, e),
		fmt.Sprintf(`SELECT partywall.enter(1, %d, %d, false, -1, 9999999999, '\x00')`, n, e),
	} {
		if _, _, err := attempt(ctx, tx, sql); err != nil {
			return err
		}
		// A sequence's value does not roll back, so a forged mark is still there.
		still, _, err := attempt(ctx, tx, `SELECT WHERE partywall.tenant() = $1`, p.me.Number)
		if err != nil {
			return err
		}
		if still.RowsAffected() == 0 {
			p.found(Breach, "probe-forge", "partywall.mark", fmt.Sprintf("tenant %s is not itself any more after: %s", p.me.Slug, sql), "")
			// What comes next would be somebody else's doing, and so would all in
			// this session: one in which settings change is ended. Behind a pooler
			// they may not, but there the mark is void in the next transaction.
			_, _, _ = attempt(ctx, tx, `RESET application_name`)
			return nil
		}
	}
	return nil
}

// stale tries to come in by an epoch that is past, as a node would that has
// missed a move. Its context claims to be newer than all that the node knows,
// so that the gate is shown what it says. The data server has to refuse it for
// its epoch; any other refusal proves nothing, and is an error.
func (p prober) stale(ctx context.Context, db DB) error {
	past := p.me
	past.Placement.Epoch--
	past.Version = math.MaxInt64
	err := inTx(ctx, db, past, func(context.Context, pgx.Tx) error { return nil })
	var refusal interface{ Stale() bool }
	switch {
	case err == nil:
		p.found(Breach, "probe-epoch", "partywall.fence",
			fmt.Sprintf("tenant %s comes in by epoch %d, which is past", p.me.Slug, past.Placement.Epoch), "")
	case !errors.As(err, &refusal) || !refusal.Stale():
		return fmt.Errorf("coming in by an epoch that is past: %w", err)
	}
	return nil
}
