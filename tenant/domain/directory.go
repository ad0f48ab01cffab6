package domain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgfeed"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain/redirect"
)

// Directory knows in memory which hosts are served, and for whom. It hears of
// changes within moments; while the database is away it goes on with what it
// knows. All methods may be called from any goroutine.
type Directory struct {
	tenants Tenants
	opts    *Options
	feed    pgfeed.Feed
	suffix  string          // of the tenants' subdomains; "" for none
	memory  context.Context // has ended: what is looked up by it comes from memory

	view atomic.Pointer[view]

	round sync.Mutex // held while the database is read, so that rounds come one after the other

	mu    sync.Mutex
	mark  string
	heard time.Time // when the database was asked last, and has answered
	err   error     // of the last time, if it has not
}

// view is what is known.
type view struct {
	hosts   *shards[string, *entry]
	tenants *shards[tenant.ID, []*entry]
}

// entry is a host that is served, or was when its row was read.
type entry struct {
	id      int64
	tenant  tenant.ID
	host    string
	state   State
	primary bool
	rules   redirect.Rules
}

func newView() *view {
	return &view{hosts: newShards[string, *entry](), tenants: newShards[tenant.ID, []*entry]()}
}

func newDirectory(pool *pgxpool.Pool, tenants Tenants, o *Options) *Directory {
	memory, end := context.WithCancel(context.Background())
	end()
	d := &Directory{tenants: tenants, opts: o, memory: memory, feed: pgfeed.Feed{
		Pool: pool, Table: "partywall_domains.domain", Channel: "partywall_domains",
		Columns: "id, tenant_id, host, state, main, redirects", Living: "state NOT IN ('claimed', 'tombstoned', 'ended')",
	}}
	if o.Base != "" {
		d.suffix = "." + o.Base
	}
	d.view.Store(newView())
	return d
}

// Owner returns whose host this is, in its one spelling; it is made for
// httptenant.CustomDomain. It fails with [tenant.ErrNotFound] for a host that is
// not served, whatever has become of it. A subdomain of [Options.Base] is not
// its business.
func (d *Directory) Owner(_ context.Context, host string) (tenant.ID, error) {
	if e, ok := d.view.Load().hosts.get(host); ok {
		return e.tenant, nil
	}
	return tenant.ID{}, tenant.ErrNotFound
}

// MayServe reports whether a host may have a certificate and show it: one that
// is served, the subdomain of a tenant that lives, or the platform's own: Base and
// what is in Own. It answers from memory.
func (d *Directory) MayServe(host string) bool {
	if _, ok := d.view.Load().hosts.get(host); ok {
		return true
	}
	if _, ok := d.subdomain(host); ok {
		return true
	}
	label, ok := strings.CutSuffix(host, d.suffix)
	return d.suffix != "" && (ok && slices.Contains(d.opts.Own, label) || host == d.opts.Base)
}

// subdomain finds the tenant of a subdomain, in memory.
func (d *Directory) subdomain(host string) (tenant.Tenant, bool) {
	if d.suffix == "" {
		return tenant.Tenant{}, false
	}
	label, ok := strings.CutSuffix(host, d.suffix)
	if !ok || strings.Contains(label, ".") || slices.Contains(d.opts.Own, label) {
		return tenant.Tenant{}, false
	}
	t, err := d.tenants.Lookup(d.memory, tenant.BySlug(label))
	return t, err == nil && !gone(t)
}

// Site returns what the redirects of a host have to know; it is made for
// redirect.Handler. Hosts that are not served have none.
func (d *Directory) Site(host string) (redirect.Site, bool) {
	v := d.view.Load()
	site := redirect.Site{Host: host}
	var owner tenant.Tenant
	if e, ok := v.hosts.get(host); ok {
		site.Rules = e.rules
		owner.ID = e.tenant
		if d.suffix != "" {
			owner, _ = d.tenants.Lookup(d.memory, tenant.ByID(e.tenant))
			owner.ID = e.tenant
		}
	} else if owner, ok = d.subdomain(host); !ok {
		return redirect.Site{}, false
	}
	all, _ := v.tenants.get(owner.ID)
	site.Hosts = make([]string, 0, len(all)+1)
	for _, e := range all {
		site.Hosts = append(site.Hosts, e.host)
		if e.primary {
			site.Primary = e.host
		}
	}
	if owner.Slug != "" && d.suffix != "" && !gone(owner) {
		site.Hosts = append(site.Hosts, owner.Slug+d.suffix)
	}
	return site, true
}

// Hosts returns how many hosts of tenants' own are served.
func (d *Directory) Hosts() int { return d.view.Load().hosts.len() }

// load reads all domains.
func (d *Directory) load(ctx context.Context) error {
	d.round.Lock()
	defer d.round.Unlock()
	return d.loadAll(ctx)
}

func (d *Directory) loadAll(ctx context.Context) error {
	fresh := newView()
	mark, err := d.feed.Changes(ctx, "", d.reader(fresh, true))
	d.note(mark, err)
	if err != nil {
		return err
	}
	d.view.Store(fresh)
	return nil
}

// catchUp reads what has changed, or everything in a database that is another.
func (d *Directory) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d.round.Lock()
	defer d.round.Unlock()
	d.mu.Lock()
	since := d.mark
	d.mu.Unlock()
	mark, err := d.feed.Changes(ctx, since, d.reader(d.view.Load(), false))
	if errors.Is(err, pgfeed.ErrRewound) {
		d.opts.Logger.WarnContext(ctx, "domain: the database was restarted, restored or replaced, loading all of it again")
		return d.loadAll(ctx)
	}
	d.note(mark, err)
	return err
}

func (d *Directory) note(mark string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err = err; err == nil {
		d.mark, d.heard = mark, d.opts.Clock()
	}
}

// reader puts rows into a view.
func (d *Directory) reader(v *view, fresh bool) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var e entry
		var rules []byte
		_, err := pgx.ForEachRow(rows, []any{&e.id, &e.tenant, &e.host, (*string)(&e.state), &e.primary, &rules}, func() (err error) {
			next := e
			if len(rules) <= len("{}") {
				v.apply(&next, fresh)
				return nil
			}
			if next.rules, err = redirect.Parse(rules); err != nil {
				// Written by somebody else than we; the host is served without them.
				d.opts.Logger.Error("domain: redirects are not used", "host", e.host, "error", err)
			}
			v.apply(&next, fresh)
			return nil
		})
		return err
	}
}

// apply puts what is known of a row now.
func (v *view) apply(e *entry, fresh bool) {
	serves := e.state.Serves()
	if now, ok := v.hosts.get(e.host); serves || ok && now.id == e.id {
		// Of two rows with one host at most one serves, and the one that has ended
		// may be heard of last.
		v.hosts.set(e.host, e, serves, fresh)
	}
	all, _ := v.tenants.get(e.tenant)
	rest := slices.DeleteFunc(slices.Clone(all), func(o *entry) bool { return o.id == e.id })
	if serves {
		rest = append(rest, e)
		slices.SortFunc(rest, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	}
	if len(rest) > 0 || len(all) > 0 {
		v.tenants.set(e.tenant, rest, len(rest) > 0, fresh)
	}
}

// breath is the least time between two rounds that notifications cause.
const breath = 20 * time.Millisecond

// follow keeps the directory current until ctx ends, and calls changed after each
// round that has brought something or might have.
func (d *Directory) follow(ctx context.Context, changed func()) {
	word := make(chan struct{}, 1)
	var watching sync.WaitGroup
	watching.Go(func() { d.watch(ctx, word) })
	defer watching.Wait()
	poll := time.NewTicker(d.opts.Sweep)
	defer poll.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-word:
		case <-poll.C:
		}
		err := d.catchUp(ctx)
		if err != nil && ctx.Err() == nil && !failing { // once per outage
			d.opts.Logger.WarnContext(ctx, "domain: the catalog is away; serving what is known", "error", err)
		}
		failing = err != nil
		changed()
		pause := time.NewTimer(breath)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// watch passes on word of changes.
func (d *Directory) watch(ctx context.Context, word chan<- struct{}) {
	const first, most = 50 * time.Millisecond, 5 * time.Second
	pause := first
	for ctx.Err() == nil {
		_ = d.feed.Watch(ctx, func() { // follow says why there is none, and polls
			pause = first
			select {
			case word <- struct{}{}:
			default:
			}
		})
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // G404: no secret
		}
		pause = min(2*pause, most)
	}
}

// Ready reports whether the directory knows what there is: nil if the catalog
// has answered within the last minute, or three times [Options.Sweep] if that is
// longer. Hosts are served either way.
func (d *Directory) Ready(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if age := d.opts.Clock().Sub(d.heard); age > max(time.Minute, 3*d.opts.Sweep) {
		return fmt.Errorf("domain: catalog not reached for %s: %w", age.Round(time.Second), d.err)
	}
	return nil
}
