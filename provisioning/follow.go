package provisioning

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// followers are woken when something happens to the operation that they follow.
type followers struct {
	mu      sync.Mutex
	waiting map[ID]map[chan struct{}]bool
	stop    context.CancelFunc // ends the listening; nil while nobody follows
}

// tell wakes who follows an operation in this process.
func (f *followers) tell(id ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for waiting := range f.waiting[id] {
		kick(waiting)
	}
}

// join wakes news from now on, until leave is called. The first to come has
// the catalog listened to.
func (f *followers) join(e *Engine, id ID) (news chan struct{}, leave func()) {
	news = make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting == nil {
		f.waiting = map[ID]map[chan struct{}]bool{}
	}
	if f.waiting[id] == nil {
		f.waiting[id] = map[chan struct{}]bool{}
	}
	f.waiting[id][news] = true
	if f.stop == nil {
		var ctx context.Context
		ctx, f.stop = context.WithCancel(context.Background())
		go f.listen(ctx, e)
	}
	return news, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.waiting[id], news)
		if len(f.waiting[id]) == 0 {
			delete(f.waiting, id)
		}
		if len(f.waiting) == 0 && f.stop != nil {
			f.stop()
			f.stop = nil
		}
	}
}

// listen hears what happens on other nodes. While it cannot, followers look by
// themselves.
func (f *followers) listen(ctx context.Context, e *Engine) {
	for ctx.Err() == nil {
		err := f.hear(ctx, e)
		if ctx.Err() == nil {
			e.opts.Logger.DebugContext(ctx, "provisioning: not told what happens on other nodes", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookPause):
		}
	}
}

func (f *followers) hear(ctx context.Context, e *Engine) error {
	// A connection of its own: what the pool has is for short use.
	conn, err := pgx.ConnectConfig(ctx, e.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it has only listened
	if _, err := conn.Exec(ctx, `LISTEN partywall_operations`); err != nil {
		return err
	}
	for {
		heard, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if id, err := ParseID(heard.Payload); err == nil {
			f.tell(id)
		}
	}
}

// lookPause is how often a follower looks without being told.
const lookPause = 500 * time.Millisecond

// Events yields what has happened to an operation after the event numbered, 0
// for all, and what happens next, as it does, on whatever node. It ends with the
// operation; an error, among them ctx's and [ErrNotFound], is yielded last.
func (e *Engine) Events(ctx context.Context, id ID, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		news, leave := e.followers.join(e, id)
		defer leave()
		look := time.NewTicker(lookPause)
		defer look.Stop()
		for {
			found, ended, err := e.eventsSince(ctx, id, after)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, event := range found {
				if !yield(event, nil) {
					return
				}
				after = event.Number
			}
			if ended {
				return
			}
			select {
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			case <-news:
			case <-look.C:
			}
		}
	}
}

// eventsSince reads what has happened, and whether that was all.
func (e *Engine) eventsSince(ctx context.Context, id ID, after int64) (found []Event, ended bool, err error) {
	rows, err := e.pool.Query(ctx, `
		SELECT o.ended_at IS NOT NULL, v.number, v.at, v.type, v.step, v.percent, v.remaining, v.message, v.token
		FROM partywall_operations.operation o
		LEFT JOIN partywall_operations.event v ON v.operation_id = o.id AND v.number > $2
		WHERE o.id = $1 ORDER BY v.number`, id, after)
	if err != nil {
		return nil, false, fmt.Errorf("provisioning: following operation %s: %w", id, err)
	}
	defer rows.Close()
	exists := false
	for rows.Next() {
		exists = true
		var number, token *int64
		var at *time.Time
		var typ, step, message *string
		var percent *float64
		var remaining *time.Duration
		if err := rows.Scan(&ended, &number, &at, &typ, &step, &percent, &remaining, &message, &token); err != nil {
			return nil, false, fmt.Errorf("provisioning: following operation %s: %w", id, err)
		}
		if number == nil {
			continue // nothing new
		}
		v := Event{
			Number: *number, At: *at, Type: EventType(*typ), Step: *step, Percent: *percent, Message: *message, Token: *token,
		}
		if remaining != nil {
			v.Remaining = *remaining
		}
		found = append(found, v)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("provisioning: following operation %s: %w", id, err)
	}
	if !exists {
		return nil, false, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return found, ended, nil
}
