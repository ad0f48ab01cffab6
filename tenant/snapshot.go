package tenant

import "slices"

// snapshot is the catalog as this node knows it: every tenant, by each of its
// keys. Reading needs no lock, writing needs [Registry.mu].
type snapshot struct {
	byID, bySlug, byNumber *index

	count int
	// rivals are, by slug, those that had it when last heard of, while bySlug
	// leads to another tenant: word that they gave it up is still on its way.
	rivals map[string][]*record
	words  map[words]*words // see shared
	// private is true while the snapshot is being loaded and has no readers.
	private bool
}

func newSnapshot() *snapshot {
	return &snapshot{
		byID:     newIndex(func(r *record) Key { return Key{id: r.id} }),
		bySlug:   newIndex(func(r *record) Key { return Key{slug: r.slug} }),
		byNumber: newIndex(func(r *record) Key { return Key{number: r.number} }),
		rivals:   make(map[string][]*record),
		words:    make(map[words]*words),
		private:  true,
	}
}

// find returns the tenant that k names, nil if the snapshot has none.
func (s *snapshot) find(k Key) *record {
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
func (s *snapshot) put(t Tenant) (before *record, changed bool) {
	before = s.byID.find(Key{id: t.ID})
	if before != nil && before.version >= t.Version {
		return before, false
	}
	kept := newRecord(&t, s.shared(wordsOf(&t)))
	s.byID.put(kept, s.private)
	s.byNumber.put(kept, s.private)
	s.claim(kept, before)
	if before == nil {
		s.count++
	} else if before.slug != kept.slug {
		s.giveUp(before)
	}
	return before, true
}

// claim lets r have its slug in the index. Versions order what is heard of one
// tenant, and nothing orders what is heard of two: who takes a slug over may be
// heard of before, or long after, the one that gave it up. Of two that claim
// one, the one that was changed last is believed. Should the clocks have lied,
// giveUp puts it right as soon as the other one's next version is here.
func (s *snapshot) claim(r, before *record) {
	holder := s.bySlug.find(Key{slug: r.slug})
	if holder == nil || holder.id == r.id {
		s.bySlug.put(r, s.private)
		return
	}
	rivals := slices.DeleteFunc(s.rivals[r.slug], func(rival *record) bool { return rival == before })
	if r.updatedAt().Before(holder.updatedAt()) {
		s.rivals[r.slug] = append(rivals, r)
		return
	}
	s.rivals[r.slug] = append(rivals, holder)
	s.bySlug.put(r, s.private)
}

// giveUp takes from before the slug that its tenant has no more, and gives it
// to the rival that was changed last, if there is any.
func (s *snapshot) giveUp(before *record) {
	slug := before.slug
	rivals := slices.DeleteFunc(s.rivals[slug], func(r *record) bool { return r == before })
	switch heir := newest(rivals); {
	case s.bySlug.find(Key{slug: slug}) != before:
	case heir == nil:
		s.bySlug.remove(before)
	default:
		s.bySlug.put(heir, s.private) // in one step: no reader finds nobody
		rivals = slices.DeleteFunc(rivals, func(r *record) bool { return r == heir })
	}
	if s.rivals[slug] = rivals; len(rivals) == 0 {
		delete(s.rivals, slug)
	}
}

// newest returns the one of records that was changed last, nil of none.
func newest(records []*record) (found *record) {
	for _, r := range records {
		if found == nil || r.updatedAt().After(found.updatedAt()) {
			found = r
		}
	}
	return found
}

// all yields every tenant's record, in no order.
func (s *snapshot) all(yield func(*record) bool) {
	for i := range s.byID.shards {
		part := s.byID.shards[i].Load()
		if part == nil {
			continue
		}
		for r := range part.all {
			if !yield(r) {
				return
			}
		}
	}
}

// maxWords bounds what is kept once for all tenants: some 10 MB at the worst. A
// host that has more statuses, plans, regions and servers in more combinations
// than this merely pays in memory.
const maxWords = 1 << 16

// shared returns the one copy of w.
func (s *snapshot) shared(w words) *words {
	if known, ok := s.words[w]; ok {
		return known
	}
	kept := new(words) // not &w: that would allocate for what is known too
	*kept = w
	if len(s.words) < maxWords {
		s.words[w] = kept
	}
	return kept
}
