package provisioning

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
)

// reportPause is how long after one report of progress another is left out.
const reportPause = 100 * time.Millisecond

// report writes down how far a step is, if it is not too soon and nobody holds
// the operation's row, who might be the caller.
func (x *execution) report(step string, done float64, message string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.progress[step] = min(max(done, 0), 1)
	if time.Since(x.reported) < reportPause || x.held.Err() != nil {
		return
	}
	x.reported = time.Now()
	ctx, stop := context.WithTimeout(x.held, x.engine.opts.Lease)
	defer stop()
	err := pgtx.Run(ctx, x.engine.pool, func(tx pgx.Tx) error {
		var events int64
		err := tx.QueryRow(ctx, `
			UPDATE partywall_operations.operation SET events = events + 1
			WHERE id = (SELECT id FROM partywall_operations.operation WHERE id = $1 AND token = $2 AND owner <> '' FOR NO KEY UPDATE SKIP LOCKED)
			RETURNING events - 1`, x.id, x.token).Scan(&events)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		o := x.op
		o.events = events
		told := []Event{{Type: Progressed, Step: step, Message: message}}
		x.describe(&o, told)
		var b pgx.Batch
		queueEvents(&b, o, told)
		b.Queue(`SELECT pg_notify('partywall_operations', $1)`, o.ID.String())
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		x.engine.opts.Logger.DebugContext(ctx, "provisioning: writing down progress", "operation", x.id, "error", err)
		return
	}
	x.engine.followers.tell(x.id)
}
