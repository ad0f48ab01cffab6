package tenant

import "slices"

// snapshot is the catalog as this node knows it: every tenant, by each of its
// keys. Reading needs no lock, writing needs [Registry.mu].
type snapshot struct {
	byID, bySlug, byNumber *index

	count int
	// rivals are, by slug, those that had it when last heard of, while bySlug
	// leads to another tenant: word that they gave it up is still on its way.
	rivals map[string][]*Tenant
	words  map[string]string // see word
	// private is true while the snapshot is being loaded and has no readers.
	private bool
}

func newSnapshot() *snapshot {
	return &snapshot{
		byID:     newIndex(func(t *Tenant) Key { return Key{id: t.ID} }),
		bySlug:   newIndex(func(t *Tenant) Key { return Key{slug: t.Slug} }),
		byNumber: newIndex(func(t *Tenant) Key { return Key{number: t.Number} }),
		rivals:   make(map[string][]*Tenant),
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
	s.claim(kept, before)
	if before == nil {
		s.count++
	} else if before.Slug != t.Slug {
		s.giveUp(before)
	}
	return before, true
}

// claim lets t have its slug in the index. Versions order what is heard of one
// tenant, and nothing orders what is heard of two: who takes a slug over may be
// heard of before, or long after, the one that gave it up. Of two that claim
// one, the one that was changed last is believed. Should the clocks have lied,
// giveUp puts it right as soon as the other one's next version is here.
func (s *snapshot) claim(t, before *Tenant) {
	holder := s.bySlug.find(Key{slug: t.Slug})
	if holder == nil || holder.ID == t.ID {
		s.bySlug.put(t, s.private)
		return
	}
	rivals := slices.DeleteFunc(s.rivals[t.Slug], func(r *Tenant) bool { return r == before })
	if t.UpdatedAt.Before(holder.UpdatedAt) {
		s.rivals[t.Slug] = append(rivals, t)
		return
	}
	s.rivals[t.Slug] = append(rivals, holder)
	s.bySlug.put(t, s.private)
}

// giveUp takes from before the slug that its tenant has no more, and gives it
// to the rival that was changed last, if there is any.
func (s *snapshot) giveUp(before *Tenant) {
	slug := before.Slug
	rivals := slices.DeleteFunc(s.rivals[slug], func(r *Tenant) bool { return r == before })
	switch heir := newest(rivals); {
	case s.bySlug.find(Key{slug: slug}) != before:
	case heir == nil:
		s.bySlug.remove(before)
	default:
		s.bySlug.put(heir, s.private) // in one step: no reader finds nobody
		rivals = slices.DeleteFunc(rivals, func(r *Tenant) bool { return r == heir })
	}
	if s.rivals[slug] = rivals; len(rivals) == 0 {
		delete(s.rivals, slug)
	}
}

// newest returns the one of tenants that was changed last, nil of none.
func newest(tenants []*Tenant) (found *Tenant) {
	for _, t := range tenants {
		if found == nil || t.UpdatedAt.After(found.UpdatedAt) {
			found = t
		}
	}
	return found
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
