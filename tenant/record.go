package tenant

import (
	"time"
	"unsafe"
)

// record is a tenant as the registry keeps it. It never changes once it is
// made, so readers need no lock.
//
// A [Tenant] takes six lines of the cache, and finding one among a million is
// waiting for memory. A record takes two: what look-ups compare and what nearly
// every tenant has. What many tenants share it holds once for all of them, and
// what few have is behind a pointer.
type record struct {
	id      ID
	number  int64
	version int64
	slug    string
	// short is where slug is, if it fits: a string of its own would be one more
	// wait. A longer one costs that.
	short [16]byte

	epoch                      int64
	name                       string
	created, updated           int64 // seconds since 1970
	createdNanos, updatedNanos int32
	words                      *words
	rest                       *rest // nil for most
}

// words are what many tenants have in common.
type words struct {
	status   Status
	plan     Plan
	region   Region
	server   string
	strategy Strategy
}

// rest is what few tenants have.
type rest struct {
	reason                          string
	labels                          Labels
	schema, database, bucket, cache string
	deleteAfter                     time.Time
}

func wordsOf(t *Tenant) words {
	return words{t.Status, t.Plan, t.Region, t.Placement.Server, t.Placement.Strategy}
}

// newRecord returns t as a record whose words are those given.
func newRecord(t *Tenant, shared *words) *record {
	p := &t.Placement
	r := &record{
		id: t.ID, number: t.Number, version: t.Version, slug: t.Slug, epoch: p.Epoch, name: t.Name,
		created: t.CreatedAt.Unix(), createdNanos: int32(t.CreatedAt.Nanosecond()), //nolint:gosec // G115: below a billion
		updated: t.UpdatedAt.Unix(), updatedNanos: int32(t.UpdatedAt.Nanosecond()), //nolint:gosec // G115: as above
		words: shared,
	}
	if n := copy(r.short[:], t.Slug); n > 0 && n == len(t.Slug) {
		// A string must never change, and these bytes do not.
		r.slug = unsafe.String(&r.short[0], n) //nolint:gosec // G103: see above
	}
	if t.Name == t.Slug {
		r.name = r.slug
	}
	if t.Reason != "" || t.Labels.Len() > 0 || p.Schema != "" || p.Database != "" || p.Bucket != "" || p.Cache != "" ||
		!t.DeleteAfter.IsZero() {
		r.rest = &rest{t.Reason, t.Labels, p.Schema, p.Database, p.Bucket, p.Cache, t.DeleteAfter.UTC().Round(0)}
	}
	return r
}

// unpack writes r into t, which is the zero Tenant. Returning one would copy it
// once more.
func (r *record) unpack(t *Tenant) {
	w, p := r.words, &t.Placement
	t.ID, t.Number, t.Version, t.Slug, t.Name, p.Epoch = r.id, r.number, r.version, r.slug, r.name, r.epoch
	t.CreatedAt, t.UpdatedAt = time.Unix(r.created, int64(r.createdNanos)).UTC(), r.updatedAt()
	t.Status, t.Plan, t.Region, p.Server, p.Strategy = w.status, w.plan, w.region, w.server, w.strategy
	if m := r.rest; m != nil {
		t.Reason, t.Labels, t.DeleteAfter = m.reason, m.labels, m.deleteAfter
		p.Schema, p.Database, p.Bucket, p.Cache = m.schema, m.database, m.bucket, m.cache
	}
}

// tenant returns the tenant, the zero Tenant for nil.
func (r *record) tenant() (t Tenant) {
	if r != nil {
		r.unpack(&t)
	}
	return t
}

func (r *record) updatedAt() time.Time { return time.Unix(r.updated, int64(r.updatedNanos)).UTC() }

// is reports whether r is the tenant that k names.
func (r *record) is(k Key) bool { return k.names(&r.id, r.number, r.slug) }
