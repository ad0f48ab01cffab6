// Package memtenant keeps a catalog of tenants in memory, for tests and
// demonstrations. It ends with the process.
package memtenant

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Store is a [tenant.Store], and a [tenant.KeySource]. It is made by [New] and
// safe for concurrent use. Any number of registries may share one.
type Store struct {
	installation string
	secret       []byte

	mu      sync.Mutex
	tenants []*record // in the order of their numbers
	byID    map[tenant.ID]*record
	bySlug  map[string]*record
	changes int64
	changed chan struct{} // closed and replaced by every change
}

type record struct {
	tenant    tenant.Tenant
	changedIn int64
}

// New returns an empty Store.
func New() *Store {
	return &Store{
		installation: rand.Text(), secret: []byte(rand.Text() + rand.Text()),
		byID: make(map[tenant.ID]*record), bySlug: make(map[string]*record), changed: make(chan struct{}),
	}
}

// Create implements [tenant.Store].
func (s *Store) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	if err := ctx.Err(); err != nil {
		return tenant.Tenant{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[t.ID] != nil {
		return tenant.Tenant{}, fmt.Errorf("memtenant: %s exists: %w", t.ID, tenant.ErrConflict)
	}
	if s.bySlug[t.Slug] != nil {
		return tenant.Tenant{}, tenant.ErrSlugTaken
	}
	if t.Number == 0 {
		t.Number = 1
		if n := len(s.tenants); n > 0 {
			t.Number = s.tenants[n-1].tenant.Number + 1
		}
	}
	at, taken := s.at(t.Number)
	if taken {
		return tenant.Tenant{}, fmt.Errorf("memtenant: number %d is taken: %w", t.Number, tenant.ErrConflict)
	}
	t.Version, t.CreatedAt = 1, now()
	t.UpdatedAt = t.CreatedAt
	r := &record{}
	s.tenants = slices.Insert(s.tenants, at, r)
	s.byID[t.ID] = r
	s.write(r, t)
	return t, nil
}

// at returns where the tenant with a number is, or would be.
func (s *Store) at(number int64) (at int, found bool) {
	return slices.BinarySearchFunc(s.tenants, number, func(r *record, n int64) int { return cmp.Compare(r.tenant.Number, n) })
}

// Update implements [tenant.Store].
func (s *Store) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	if err := ctx.Err(); err != nil {
		return tenant.Tenant{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byID[t.ID]
	if r == nil {
		return tenant.Tenant{}, tenant.ErrNotFound
	}
	if r.tenant.Version != t.Version {
		return tenant.Tenant{}, fmt.Errorf("%w: version is %d, not %d", tenant.ErrConflict, r.tenant.Version, t.Version)
	}
	if holder := s.bySlug[t.Slug]; holder != nil && holder != r {
		return tenant.Tenant{}, tenant.ErrSlugTaken
	}
	t.Number, t.CreatedAt = r.tenant.Number, r.tenant.CreatedAt
	t.Version++
	t.UpdatedAt = now()
	delete(s.bySlug, r.tenant.Slug)
	s.write(r, t)
	return t, nil
}

// write stores t and wakes who waits. The caller holds mu.
func (s *Store) write(r *record, t tenant.Tenant) {
	s.changes++
	r.tenant, r.changedIn = t, s.changes
	s.bySlug[t.Slug] = r
	close(s.changed)
	s.changed = make(chan struct{})
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Find implements [tenant.Store].
func (s *Store) Find(ctx context.Context, key tenant.Key) (tenant.Tenant, error) {
	if err := ctx.Err(); err != nil {
		return tenant.Tenant{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var r *record
	if id, ok := key.ID(); ok {
		r = s.byID[id]
	} else if slug, ok := key.Slug(); ok {
		r = s.bySlug[slug]
	} else if n, ok := key.Number(); ok {
		if at, found := s.at(n); found {
			r = s.tenants[at]
		}
	}
	if r == nil {
		return tenant.Tenant{}, tenant.ErrNotFound
	}
	return r.tenant, nil
}

// List implements [tenant.Store].
func (s *Store) List(ctx context.Context, q tenant.Query) (tenant.Page, error) {
	if err := q.Validate(); err != nil {
		return tenant.Page{}, err
	}
	after, err := q.After()
	if err != nil {
		return tenant.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return tenant.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []tenant.Tenant
	at, _ := s.at(after + 1)
	for _, r := range s.tenants[at:] {
		if q.Matches(r.tenant) {
			found = append(found, r.tenant)
		}
		if len(found) > q.PageSize() {
			break
		}
	}
	return q.Page(found), nil
}

// Changes implements [tenant.Store].
func (s *Store) Changes(
	ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error,
) (tenant.Mark, error) {
	found, next, err := s.since(since)
	if err != nil {
		return "", err
	}
	for _, t := range found {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := each(t); err != nil {
			return "", err
		}
	}
	return next, ctx.Err()
}

func (s *Store) since(since tenant.Mark) (found []tenant.Tenant, next tenant.Mark, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var from int64
	if since != "" {
		// A mark of another store names another installation.
		_, err := fmt.Sscanf(string(since), s.installation+" %d", &from)
		if err != nil || from > s.changes {
			return nil, "", tenant.ErrRewound
		}
	}
	for _, r := range s.tenants {
		if r.changedIn > from {
			found = append(found, r.tenant)
		}
	}
	return found, tenant.Mark(s.installation + " " + strconv.FormatInt(s.changes, 10)), nil
}

// Watch implements [tenant.Store].
func (s *Store) Watch(ctx context.Context, wake func()) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		wake()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// EnvelopeKeys implements [tenant.KeySource]: every Store is an installation
// of its own, with one random key.
func (s *Store) EnvelopeKeys(ctx context.Context) (tenant.Keyring, error) {
	return tenant.Keyring{
		Installation: s.installation,
		Keys:         []tenant.EnvelopeKey{{ID: 1, Secret: slices.Clone(s.secret)}},
	}, ctx.Err()
}
