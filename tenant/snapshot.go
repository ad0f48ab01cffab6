package tenant

// snapshot is the catalog as this node knows it: every tenant, by each of its
// keys. Reading needs no lock, writing needs [Registry.mu].
type snapshot struct {
	byID, bySlug, byNumber *index

	count int
	words map[string]string // see word
	// private is true while the snapshot is being loaded and has no readers.
	private bool
}

func newSnapshot() *snapshot {
	return &snapshot{
		byID:     newIndex(func(t *Tenant) Key { return Key{id: t.ID} }),
		bySlug:   newIndex(func(t *Tenant) Key { return Key{slug: t.Slug} }),
		byNumber: newIndex(func(t *Tenant) Key { return Key{number: t.Number} }),
		words:    make(map[string]string),
		private:  true,
	}
}

// find returns the tenant that k names, nil if the snapshot has none.
func (s *snapshot) find(k Key) *Tenant {
	switch {
	case !k.id.IsZero():
		return s.byID.find(k)
	case k.slug != "":
		return s.bySlug.find(k)
	case k.number != 0:
		return s.byNumber.find(k)
	}
	return nil
}

// put takes t in, unless the snapshot has that version or a newer one: answers
// of the catalog overtake each other, and an older one must never win. It
// returns what the snapshot had before, nil if nothing, and whether it changed.
func (s *snapshot) put(t Tenant) (before *Tenant, changed bool) {
	before = s.byID.find(Key{id: t.ID})
	if before != nil && before.Version >= t.Version {
		return before, false
	}
	kept := new(Tenant) // not &t: that would allocate for what is turned away too
	*kept = t
	s.intern(kept)
	s.byID.put(kept, s.private)
	s.byNumber.put(kept, s.private)
	s.bySlug.put(kept, s.private)
	if before == nil {
		s.count++
	} else if before.Slug != t.Slug {
		s.bySlug.remove(before)
	}
	return before, true
}

// all yields every tenant, in no order.
func (s *snapshot) all(yield func(*Tenant) bool) {
	for i := range s.byID.shards {
		part := s.byID.shards[i].Load()
		if part == nil {
			continue
		}
		for t := range part.all {
			if !yield(t) {
				return
			}
		}
	}
}

// maxWords bounds the words that are kept once for all tenants. A host that
// has more plans and servers than this merely pays in memory.
const maxWords = 4096

// intern replaces the words that many tenants share by one copy of each.
func (s *snapshot) intern(t *Tenant) {
	p := &t.Placement
	t.Status = Status(s.word(string(t.Status)))
	t.Plan, t.Region = Plan(s.word(string(t.Plan))), Region(s.word(string(t.Region)))
	p.Server, p.Strategy = s.word(p.Server), Strategy(s.word(string(p.Strategy)))
	if t.Name == t.Slug {
		t.Name = t.Slug
	}
}

func (s *snapshot) word(w string) string {
	known, ok := s.words[w]
	if !ok && len(s.words) < maxWords {
		s.words[w] = w
	}
	if ok {
		return known
	}
	return w
}
