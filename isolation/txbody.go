package isolation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// txBody is what a transaction and its savepoints have in common.
type txBody struct {
	lease      *lease
	owner      tenant.ID // zero for the system's
	savepoints int
	plans      map[string]string // what Prepare has named
	open       results           // the last that was given out
}

// results are read off the connection by whoever has them. pgconn keeps the
// reader of a connection's results in the connection itself: whoever still had
// one when somebody else has the connection would read that one's rows.
type results interface {
	// settle ends results that nothing is left to read of.
	settle()
	// sever ends results without a look at the connection.
	sever(error)
}

// ready refuses contexts that the transaction does not belong to, and waits for
// nobody: results that are being read come first.
func (b *txBody) ready(ctx context.Context) error {
	pg := b.lease.conn.pg
	switch {
	case pg.IsBusy():
		return errTxBusy
	case pg.TxStatus() == 'I':
		return pgx.ErrTxClosed // it has ended by itself, whatever did that
	}
	if b.open != nil {
		b.open.settle()
		b.open = nil
	}
	if b.owner.IsZero() {
		return nil
	}
	named, err := tenant.FromContext(ctx)
	if err != nil {
		return err
	}
	if named.ID != b.owner {
		return fmt.Errorf("%w: the transaction of %s, the context of %s", tenant.ErrTwoTenants, b.owner, named.ID)
	}
	return nil
}

var (
	errTxBusy  = errors.New("isolation: earlier results of the transaction are still being read")
	errTxEnded = errors.New("isolation: the transaction ended before its results were read")
)

// detach takes away what is still in somebody's hands before the connection is
// given back. A connection that is busy with it is ended, and not given on.
func (b *txBody) detach() {
	if b.open != nil {
		b.open.sever(errTxEnded)
		b.open = nil
	}
}
