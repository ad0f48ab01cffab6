package autotls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddyserver/certmagic"
)

// Hosts says which hosts may have a certificate and show it. It is asked in
// every handshake, so it answers from memory.
type Hosts interface {
	MayServe(host string) bool
}

// Manager gets certificates, keeps them, renews them and shows them. Any number
// of nodes work on one database. All methods may be called from any goroutine.
type Manager struct {
	pool        *pgxpool.Pool
	hosts       Hosts
	opts        Options
	storage     *storage
	authorities []*authority
	challenges  *challenges
	wildcards   map[string]string // *.zone by zone
	shelf       *shelf
	rests       *rests
	chains      *chains
	instruments *instruments
	slots       chan struct{} // one for each order under way
	flights     singleflight.Group

	mu     sync.Mutex
	ctx    context.Context // of what goes on; nil before Open
	stop   context.CancelCauseFunc
	tasks  sync.WaitGroup
	state  state
	closed bool
}

// New returns a manager for hosts over a database of the host's, mostly the
// catalog's. It checks everything, and dials and starts nothing: [Manager.Open]
// does.
func New(pool *pgxpool.Pool, hosts Hosts, options *Options) (*Manager, error) {
	m := &Manager{
		pool: pool, hosts: hosts, opts: options.withDefaults(), wildcards: map[string]string{},
		rests: &rests{until: map[string]rest{}}, chains: &chains{seen: map[[32]byte][]byte{}},
	}
	var errs []error
	if pool == nil {
		errs = append(errs, invalid("pool is nil"))
	}
	if hosts == nil {
		errs = append(errs, invalid("hosts is nil"))
	}
	errs = append(errs, m.opts.validate())
	if m.opts.Sealer == nil && len(m.opts.Key) > 0 {
		var err error
		m.opts.Sealer, err = NewSealer(m.opts.Key, m.opts.OldKeys...)
		errs = append(errs, err)
	}
	m.shelf, m.slots = newShelf(m.opts.Cache), make(chan struct{}, max(m.opts.Orders, 1))
	var err error
	m.instruments, err = newInstruments(m)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, zone := range m.opts.Wildcards {
		m.wildcards[zone] = "*." + zone
	}
	m.storage = newStorage(pool, m.opts.Sealer, m.opts.Name, m.opts.Lease)
	var issuers []string
	for _, ca := range m.opts.CAs {
		a, err := newAuthority(ca, m.storage, &m.opts)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m.authorities, issuers = append(m.authorities, a), append(issuers, a.key)
	}
	m.challenges = newChallenges(m.storage, issuers)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// Open makes the tables, reads into memory what certificates there are, and
// renews what is due from then on, until Close. ctx bounds opening alone.
func (m *Manager) Open(ctx context.Context) error {
	if err := migrate(ctx, m.pool, m.opts.SkipMigrations); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx != nil || m.closed {
		return errors.New("autotls: manager was opened before")
	}
	since, err := m.warm(ctx)
	if err != nil {
		return err
	}
	m.state.swept(m.opts.Clock())
	m.ctx, m.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	m.tasks.Go(func() { m.listen(since) })
	m.tasks.Go(m.renew)
	return nil
}

// Close ends what Open began. Orders that are under way are given up, and
// another node, or the next Open, goes on with them. The pool remains the
// caller's. Handshakes are answered from memory still.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	if m.stop != nil {
		m.stop(ErrClosed)
	}
	m.mu.Unlock()
	m.tasks.Wait()
	for _, a := range m.authorities {
		a.close()
	}
	m.instruments.close()
}

// begin runs f in a goroutine that Close waits for.
func (m *Manager) begin(f func(ctx context.Context)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil || m.closed {
		return ErrClosed
	}
	m.tasks.Go(func() { f(m.ctx) })
	return nil
}

// Storage returns what certificates, accounts and challenges are kept in, for
// programs that are built on certmagic and share them.
func (m *Manager) Storage() certmagic.Storage { return m.storage }

// nameOf returns the name of the certificate that covers a host, which is in
// its one spelling.
func (m *Manager) nameOf(host string) string {
	if _, zone, ok := strings.Cut(host, "."); ok {
		if wildcard, ok := m.wildcards[zone]; ok {
			return wildcard
		}
	}
	return host
}

// Issue makes sure that a good certificate for a host is stored: it returns nil
// if there is one already, and else when it has got one. The caller has proof
// that the host is its tenant's. Of any number of callers, on any number of
// nodes, one orders.
//
// It fails with [ErrInvalid] for what is no host, and with an [*IssueError]
// that says why and when to ask again: until then it fails without asking a CA.
func (m *Manager) Issue(ctx context.Context, host string) error {
	host, err := normalize(host)
	if err != nil {
		return err
	}
	return m.ensure(ctx, m.nameOf(host))
}

// ensure sees to it that there is a certificate. What it begins goes on after
// ctx has ended.
func (m *Manager) ensure(ctx context.Context, name string) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case result := <-m.flights.DoChan(name, func() (any, error) {
		done := make(chan error, 1)
		err := m.begin(func(ctx context.Context) { done <- m.fetch(ctx, name) })
		if err != nil {
			return nil, err
		}
		return nil, <-done
	}):
		return result.Err
	}
}

// fetch finds a certificate or gets one, and puts it on the shelf.
func (m *Manager) fetch(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, m.attendTime())
	defer cancel()
	short, done := context.WithTimeout(ctx, findTime)
	found, _, _, err := m.load(short, name)
	done()
	if err == nil && m.good(found) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrTampered) {
		return err
	}
	return m.replace(ctx, name, false)
}

func (m *Manager) good(c *certificate) bool { return c != nil && m.opts.Clock().Before(c.notAfter) }

// load reads a stored certificate and puts it on the shelf if it is good.
func (m *Manager) load(ctx context.Context, name string) (*certificate, *record, *x509.Certificate, error) {
	r, err := m.storage.find(ctx, m.pool, name)
	if err != nil {
		return nil, nil, nil, err
	}
	c, leaf, err := m.storage.decode(ctx, r, m.chains)
	if err != nil {
		return nil, nil, nil, err
	}
	if m.good(c) {
		m.shelf.put(name, c)
		m.rests.drop(name)
	}
	return c, r, leaf, nil
}

// replace orders a certificate, under the name's lock, unless somebody has done
// so while it waited. With due set it renews one that is good but due.
func (m *Manager) replace(ctx context.Context, name string, due bool) error {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return m.storage.under(ctx, issueLock(name), func(ctx context.Context, h *hold) error {
		found, r, leaf, err := m.load(ctx, name)
		switch {
		case err == nil && m.good(found) && (!due || r.renewAt.After(m.opts.Clock())):
			return nil
		case errors.Is(err, ErrTampered):
			m.opts.Logger.ErrorContext(ctx, "autotls: a stored certificate is replaced", "host", name, "error", err)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		var before *previous
		if err == nil {
			before = &previous{r.ca, leaf}
		}
		backlog, err := m.resting(ctx, name)
		if err != nil {
			return err
		}
		got, err := m.order(ctx, name, before, backlog)
		if failed, ok := errors.AsType[*IssueError](err); ok {
			return m.rest(ctx, failed, before)
		}
		if err != nil {
			return err
		}
		return m.keep(ctx, h, got, leaf != nil)
	})
}

// keep stores what a CA has given, and shows it from now on.
func (m *Manager) keep(ctx context.Context, h *hold, got *issued, again bool) error {
	if err := m.storage.save(ctx, h, got); err != nil {
		return fmt.Errorf("autotls: storing the certificate of %s: %w", got.host, err)
	}
	if _, _, _, err := m.load(ctx, got.host); err != nil {
		return err
	}
	what := Obtained
	if again {
		what = Renewed
	}
	m.instruments.obtained(got.ca, what)
	m.tell(Event{Type: what, Host: got.host, CA: got.ca, NotAfter: got.leaf.NotAfter})
	return nil
}

func (m *Manager) tell(e Event) {
	if m.opts.OnEvent != nil {
		m.opts.OnEvent(e)
	}
}

// Forget makes certificate and key of a host go away, here and from all nodes
// within moments. With revoke its CA calls it void first, for the reason of
// RFC 5280 "cessation of operation"; where that fails, all stays as it was. A
// host that shares a wildcard's certificate has nothing to forget. It may be
// repeated, and is no error where there is none.
func (m *Manager) Forget(ctx context.Context, host string, revoke bool) error {
	host, err := normalize(host)
	if err != nil {
		return err
	}
	if m.nameOf(host) != host {
		return nil
	}
	return m.forget(ctx, host, revoke)
}

func (m *Manager) forget(ctx context.Context, name string, revoke bool) error {
	return m.storage.under(ctx, issueLock(name), func(ctx context.Context, h *hold) error {
		_, r, leaf, err := m.load(ctx, name)
		there := !errors.Is(err, fs.ErrNotExist)
		if err != nil && there && (revoke || !errors.Is(err, ErrTampered)) {
			return err
		}
		if there && revoke {
			if err := m.revoke(ctx, r, leaf); err != nil {
				return err
			}
		}
		if err := m.storage.forget(ctx, h, name); err != nil {
			return fmt.Errorf("autotls: forgetting %s: %w", name, err)
		}
		m.shelf.drop(name)
		m.rests.drop(name)
		if there {
			what := Forgotten
			if revoke {
				what = Revoked
			}
			m.tell(Event{Type: what, Host: name})
		}
		return nil
	})
}

// Validity returns from when until when the stored certificate of a host is
// good, or an error that wraps [fs.ErrNotExist].
func (m *Manager) Validity(ctx context.Context, host string) (from, until time.Time, err error) {
	host, err = normalize(host)
	if err != nil {
		return from, until, err
	}
	name := m.nameOf(host)
	err = m.pool.QueryRow(ctx, `SELECT not_before, not_after FROM partywall_tls.certificate WHERE host = $1`, name).Scan(&from, &until)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return from, until, fmt.Errorf("autotls: validity of %s: %w", name, err)
	}
	return from, until, nil
}

// quiet is the logger of certmagic's parts; what they return is logged by us.
func quiet() *zap.Logger { return zap.NewNop() }
