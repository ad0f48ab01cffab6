package provisioning

import (
	"context"
	"time"
)

// renew keeps the leases of all operations that are worked on here, and hears
// what is wished of them.
func (w *worker) renew() {
	again := time.NewTicker(w.engine.opts.Lease / 3)
	defer again.Stop()
	for {
		select {
		case <-w.ctx.Done(): // not before the last execution has ended
			return
		case <-again.C:
		}
		if err := w.renewAll(); err != nil && w.ctx.Err() == nil {
			w.engine.opts.Logger.WarnContext(w.ctx, "provisioning: renewing leases", "error", err)
		}
	}
}

const renewSQL = `
	UPDATE partywall_operations.operation o SET lease_until = clock_timestamp() + $3
	FROM unnest($1::uuid[], $2::bigint[]) AS held (id, token)
	WHERE o.id = held.id AND o.token = held.token AND o.owner <> ''
	RETURNING o.id, o.wish`

func (w *worker) renewAll() error {
	ids, tokens := w.holding()
	if len(ids) == 0 {
		return nil
	}
	asked := time.Now()
	ctx, done := context.WithTimeout(w.ctx, w.engine.opts.Lease/3)
	defer done()
	rows, err := w.engine.pool.Query(ctx, renewSQL, ids, tokens, w.engine.opts.Lease)
	if err != nil {
		return err
	}
	defer rows.Close()
	kept := map[ID]string{}
	for rows.Next() {
		var id ID
		var wish string
		if err := rows.Scan(&id, &wish); err != nil {
			return err
		}
		kept[id] = wish
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for i, id := range ids {
		w.mu.Lock()
		x := w.held[id]
		w.mu.Unlock()
		if x == nil || x.token != tokens[i] {
			continue // it has ended since
		}
		if wish, ok := kept[id]; ok {
			x.extend(asked)
			x.heed(wish)
		} else {
			x.lose()
		}
	}
	return nil
}

// holding are the operations that are worked on here.
func (w *worker) holding() (ids []ID, tokens []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, x := range w.held {
		ids = append(ids, id)
		tokens = append(tokens, x.token)
	}
	return ids, tokens
}
