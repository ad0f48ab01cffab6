package isolation

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// The conditions worth branching on. Those of package tenant come back as they
// are: [tenant.ErrNoTenant], [tenant.ErrSuspended] and so on.
var (
	// ErrFenced is returned when the data server refused the tenant at its
	// gate and went on refusing: the tenant is being moved, or this node's
	// catalog is behind. Nothing of the statement ran. See [FencedError].
	ErrFenced = errors.New("isolation: tenant is fenced")
	// ErrUnsafe is returned when the wall is not standing. See [UnsafeError].
	ErrUnsafe = errors.New("isolation: the wall is not standing")
	// ErrBusy is returned when no connection came free in time: the server's
	// budget is spent, or the tenant is at its cap. Nothing was sent.
	ErrBusy = errors.New("isolation: no connection came free in time")
	// ErrNoServer is returned for a tenant placed on a server that is not
	// among those given to [Open].
	ErrNoServer = errors.New("isolation: no such server")
	// ErrRefused is returned for what cannot be done behind the wall, such as
	// the simple protocol, or LOCK and DO by a tenant.
	ErrRefused = errors.New("isolation: refused")
	// ErrSuperseded is returned to a worker of an operation whose place another
	// one has taken: nothing of what it wanted to make or end was done.
	ErrSuperseded = errors.New("isolation: another worker has taken over")
	// ErrClosed is returned by a [DB] that was closed.
	ErrClosed = errors.New("isolation: closed")
)

// FencedError says who was refused at the gate, and by which epoch. It matches
// [ErrFenced].
type FencedError struct {
	ID   tenant.ID
	Slug string
	// Have is the epoch this node came with, Want the one the data server
	// knows, -1 when it knows no such tenant.
	Have, Want int64
}

// Error implements error.
func (e *FencedError) Error() string {
	if e.Want < 0 {
		return fmt.Sprintf("isolation: tenant %s (%s): its data server does not know it (have epoch %d)", e.ID, e.Slug, e.Have)
	}
	if e.Want == e.Have {
		return fmt.Sprintf("isolation: tenant %s (%s): fenced at epoch %d", e.ID, e.Slug, e.Have)
	}
	return fmt.Sprintf("isolation: tenant %s (%s): placement moved (epoch %d, have %d)", e.ID, e.Slug, e.Want, e.Have)
}

// Stale reports whether this node came with an epoch that is past.
func (e *FencedError) Stale() bool { return e.Have < e.Want }

// Is reports whether target is [ErrFenced].
func (e *FencedError) Is(target error) bool { return target == ErrFenced }

// UnsafeError lists the ways around the wall that were found on a database. It
// matches [ErrUnsafe].
type UnsafeError struct {
	Server, Database string
	// Findings say what is wrong and which SQL puts it right.
	Findings []string
}

// Error implements error.
func (e *UnsafeError) Error() string {
	lines := make([]string, 0, len(e.Findings))
	for _, f := range e.Findings {
		lines = append(lines, "isolation: "+f)
	}
	return strings.Join(lines, "\n")
}

// Is reports whether target is [ErrUnsafe].
func (e *UnsafeError) Is(target error) bool { return target == ErrUnsafe }

// The codes that the wall's functions raise; see wall/002_session.sql.
const (
	codeFenced     = "PW001"
	codeUnknownKey = "PW002"
	codeForged     = "PW003"
	// codeNoSession is PostgreSQL's answer when the session's secret is gone:
	// somebody discarded the sequences.
	codeNoSession = "55000"
)

// Refusals of the gate, as read off the wire; they do not leave the package.
var (
	errUnknownKey = errors.New("isolation: the data server does not know the signing key")
	errNoSession  = errors.New("isolation: the data server does not accept the session")
)

// refusal is the gate saying that a tenant may not come in.
type refusal struct {
	epoch int64 // as the data server knows it; -1: not at all
	state string
}

func (*refusal) Error() string { return ErrFenced.Error() }

// gateError turns the gate's answer into one of the above. Whatever else it is
// comes back without what could show a secret: the context of the failed
// function, and the parameters in it.
func gateError(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case codeFenced:
		r := &refusal{epoch: -1}
		_, _ = fmt.Sscan(pg.Detail, &r.epoch, &r.state) // a detail that does not parse is an unknown epoch
		return r
	case codeUnknownKey:
		return errUnknownKey
	case codeForged, codeNoSession:
		return errNoSession
	}
	return scrub(pg)
}

// scrub returns a copy of a server's error that keeps what a caller needs and
// nothing that quotes a parameter.
func scrub(pg *pgconn.PgError) error {
	return &pgconn.PgError{
		Severity: pg.Severity, SeverityUnlocalized: pg.SeverityUnlocalized,
		Code: pg.Code, Message: pg.Message,
	}
}
