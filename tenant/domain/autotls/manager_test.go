package autotls

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/miekg/dns"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// lazyPool is a pool that never connects.
func lazyPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestNew: all mistakes come at once, and none of them holds a secret.
func TestNew(t *testing.T) {
	t.Parallel()
	_, err := New(nil, nil, &Options{
		Key: []byte("hush"), Orders: -1, Sweep: time.Nanosecond, Wildcards: []string{"com"}, DefaultHost: "::1", Share: 7,
		CAs: []CA{{Directory: "http://ca.test", Key: "k"}, {Directory: "https://ca.test", Email: "a\nb"}, {Directory: "https://ca.test"}},
	})
	if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "hush") {
		t.Fatal(err)
	}
	for _, want := range []string{
		"pool is nil", "hosts is nil", "Agreed", "4 bytes", "Orders", "Sweep", "Wildcards want DNS", `"com"`, "DefaultHost",
		"CAs[0].Directory", "Email", "there twice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
	if _, err := New(lazyPool(t), &hosts{}, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a key: %v", err)
	}
	m, err := New(lazyPool(t), &hosts{}, &Options{Key: testKey(1), Agreed: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Ready(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("ready before it is open: %v", err)
	}
	if err := m.Issue(t.Context(), "acme.example.test"); !errors.Is(err, ErrClosed) {
		t.Errorf("issue before it is open: %v", err)
	}
	if err := m.Issue(t.Context(), "no host"); !errors.Is(err, ErrInvalid) {
		t.Errorf("no host: %v", err)
	}
	m.Close()
	if err := m.Open(t.Context()); err == nil {
		t.Error("opened after it was closed")
	}
}

// TestReady: a node whose renewals stand still says so.
func TestReady(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, func(o *Options) { o.Sweep = time.Hour })
	if err := m.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	n.ahead.Store(int64(2 * time.Hour))
	if err := m.Ready(t.Context()); err == nil {
		t.Error("ready, though it has not looked for what is due for two hours")
	}
	m.Close()
	if err := m.Ready(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestPointedElsewhere: a row that leads to another host's items shows nothing
// of them.
func TestPointedElsewhere(t *testing.T) {
	t.Parallel()
	n, m := served(t, nil)
	_, err := n.pool.Exec(t.Context(), `UPDATE partywall_tls.certificate SET site =
		(SELECT site FROM partywall_tls.certificate WHERE host = 'globex.example.test') WHERE host = 'acme.example.test'`)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := m.load(t.Context(), "globex.example.test"); err != nil { // the control
		t.Error(err)
	}
	if _, _, _, err := m.load(t.Context(), "acme.example.test"); !errors.Is(err, ErrTampered) {
		t.Errorf("another host's certificate: %v", err)
	}
	other := n.node(t, func(o *Options) { o.NoOnDemand = true })
	if c := other.shelf.get("acme.example.test"); c != nil || other.shelf.get("globex.example.test") == nil {
		t.Error("it was read into memory")
	}
	// A certificate that cannot be read is replaced.
	if err := n.node(t, nil).Issue(t.Context(), "acme.example.test"); err != nil || n.proxy.Orders() != 3 {
		t.Errorf("%v, %d orders", err, n.proxy.Orders())
	}
	n.wants(t, "globex.example.test")
}

// TestLostLockSavesNothing: a node that lost its lock while the CA was at work
// does not write over what another has stored.
func TestLostLockSavesNothing(t *testing.T) {
	t.Parallel()
	n, m := served(t, nil)
	before := n.leaf(t, "acme.example.test")
	h, err := m.storage.await(t.Context(), issueLock("acme.example.test"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.order(t.Context(), "acme.example.test", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	other := newStorage(n.pool, m.storage.sealer, "other", time.Minute)
	rob(t, other, h.name)
	if err := m.storage.save(t.Context(), h, got); !errors.Is(err, ErrLockLost) {
		t.Errorf("who lost the lock stored: %v", err)
	}
	if err := m.storage.forget(t.Context(), h, "acme.example.test"); !errors.Is(err, ErrLockLost) {
		t.Errorf("who lost the lock deleted: %v", err)
	}
	if err := other.Unlock(t.Context(), h.name); err != nil {
		t.Fatal(err)
	}
	if _, _, leaf, err := m.load(t.Context(), "acme.example.test"); err != nil || !leaf.Equal(before) {
		t.Errorf("what was stored has changed: %v", err)
	}
	// The control: with the lock it is stored.
	err = m.storage.under(t.Context(), issueLock("acme.example.test"), func(ctx context.Context, h *hold) error { return m.storage.save(ctx, h, got) })
	if err != nil {
		t.Error(err)
	}
}

// TestCertmagicReads: what is stored can be read by whatever is built on
// certmagic.
func TestCertmagicReads(t *testing.T) {
	t.Parallel()
	n, m := served(t, nil)
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil }, Logger: quiet(),
	})
	t.Cleanup(cache.Stop)
	magic = certmagic.New(cache, certmagic.Config{Storage: m.Storage(), Logger: quiet(), OCSP: certmagic.OCSPConfig{DisableStapling: true}})
	magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(magic, certmagic.ACMEIssuer{CA: n.proxy.Directory(), Logger: quiet()})}
	cert, err := magic.CacheManagedCertificate(t.Context(), "acme.example.test")
	if err != nil {
		t.Fatal(err)
	}
	if !cert.Leaf.Equal(n.leaf(t, "acme.example.test")) {
		t.Error("it has read another certificate")
	}
}

// TestMeasures: orders, failures by reason, and how long certificates are good
// for can be read.
func TestMeasures(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	n, m := served(t, func(o *Options) {
		o.Meter, o.NoHTTP01 = metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), true
	})
	n.dns.Fail("lost.example.test", dnstest.Fault{Rcode: dns.RcodeNameError})
	if err := m.Issue(t.Context(), "lost.example.test"); err == nil {
		t.Error("a certificate for a host that does not lead here")
	}
	if err := m.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, metrics := range all.ScopeMetrics {
		for _, one := range metrics.Metrics {
			switch data := one.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					got[one.Name+label(p.Attributes)] += float64(p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					got[one.Name+label(p.Attributes)] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				got[one.Name] = data.DataPoints[0].Value
			}
		}
	}
	for name, want := range map[string]float64{
		"partywall.tls.orders": 3, "partywall.tls.certificates.issued obtained": 2, "partywall.tls.failures unreachable": 1,
		"partywall.tls.certificates.stored more": 2, "partywall.tls.certificates.stored 0": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v; all: %v", name, got[name], want, got)
		}
	}
	if days := got["partywall.tls.expiry.first"]; days < 89 || days > 90 {
		t.Errorf("the first ends in %v days", days)
	}
}

// label returns the attribute that tells points of an instrument apart, beside
// the CA.
func label(set attribute.Set) string {
	for _, a := range set.ToSlice() {
		if a.Key != "ca" {
			return " " + a.Value.AsString()
		}
	}
	return ""
}

// TestBudget: orders wait for what the CA allows, on all nodes together.
func TestBudget(t *testing.T) {
	t.Parallel()
	n := settle(t)
	limits := pace.LetsEncrypt()
	limits.Certificates = pace.Rate{Burst: 2, Refill: time.Hour}
	tight := func(o *Options) {
		o.Share = 1
		o.CAs = []CA{{Directory: n.proxy.Directory(), Roots: n.proxy.Server(), Profile: acmetest.Classic, Limits: &limits}}
	}
	nodes := []*Manager{n.node(t, tight), n.node(t, tight)}
	n.serve(t, nodes[0])
	var failures []*IssueError
	for i, host := range []string{"a.example.test", "b.example.test", "c.example.test"} {
		n.hosts.set(host, true)
		err := nodes[i%2].Issue(t.Context(), host)
		if failed, ok := errors.AsType[*IssueError](err); ok {
			failures = append(failures, failed)
		} else if err != nil {
			t.Error(err)
		}
	}
	if len(failures) != 1 || n.proxy.Orders() != 2 {
		t.Fatalf("%d failures, %d orders", len(failures), n.proxy.Orders())
	}
	if f := failures[0]; f.Why != ReasonRateLimited || time.Until(f.RetryAt) < 50*time.Minute || time.Until(f.RetryAt) > time.Hour {
		t.Errorf("%+v", f)
	}
}

// TestLedger: many on two nodes who take from two buckets get what is in them
// and no more, and take all or nothing.
func TestLedger(t *testing.T) {
	t.Parallel()
	s := shelves(t)
	l := ledger{s.pool}
	take := func(key string, burst int) pace.Take {
		return pace.Take{Key: key, Rate: pace.Rate{Burst: burst, Refill: time.Hour}, N: 1}
	}
	var got, short int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := l.Take(t.Context(), []pace.Take{take("a", 7), take("b", 30)})
			mu.Lock()
			defer mu.Unlock()
			if _, ok := errors.AsType[*pace.WaitError](err); ok {
				short++
			} else if err != nil {
				t.Error(err)
			} else {
				got++
			}
		})
	}
	all.Wait()
	if got != 7 || short != 13 {
		t.Errorf("%d got something and %d nothing", got, short)
	}
	for i := range 24 { // 30 less the 7: who got nothing took nothing
		err := l.Take(t.Context(), []pace.Take{take("b", 30)})
		if _, ok := errors.AsType[*pace.WaitError](err); ok != (i == 23) {
			t.Errorf("take %d: %v", i, err)
		}
	}
}
