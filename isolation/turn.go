package isolation

import "context"

// turn lets a few in at a time. Unlike a mutex, whoever waits for it can give
// up: what it guards talks to a server, which may not answer.
type turn chan struct{}

func newTurn(at int) turn { return make(turn, at) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() { <-t }
