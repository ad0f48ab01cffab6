package tenant

import "strconv"

// Key is one of the ways to name a tenant in a look-up: [ByID], [BySlug] or
// [ByNumber]. The zero Key finds nobody.
type Key struct {
	id     ID
	number int64
	slug   string
}

// ByID looks a tenant up by its ID.
func ByID(id ID) Key { return Key{id: id} }

// BySlug looks a tenant up by its slug, which must be in the form that
// [NormalizeSlug] returns.
func BySlug(slug string) Key { return Key{slug: slug} }

// ByNumber looks a tenant up by its number.
func ByNumber(n int64) Key { return Key{number: n} }

// ID returns the ID that k looks for, if it is of that kind.
func (k Key) ID() (ID, bool) { return k.id, !k.id.IsZero() }

// Slug returns the slug that k looks for, if it is of that kind.
func (k Key) Slug() (string, bool) { return k.slug, k.slug != "" }

// Number returns the number that k looks for, if it is of that kind.
func (k Key) Number() (int64, bool) { return k.number, k.number != 0 }

// possible reports whether any tenant can be named so: a name that none can
// have is not worth a question.
func (k Key) possible() bool {
	switch {
	case !k.id.IsZero():
		return true
	case k.slug != "":
		return ValidateSlug(k.slug) == nil
	}
	return k.number > 0
}

// String describes k for error messages.
func (k Key) String() string {
	switch {
	case !k.id.IsZero():
		return k.id.String()
	case k.slug != "":
		return strconv.Quote(k.slug)
	case k.number != 0:
		return "number " + strconv.FormatInt(k.number, 10)
	}
	return "nobody"
}

// Matches reports whether t is the tenant that k names.
func (k Key) Matches(t Tenant) bool { return k.names(&t.ID, t.Number, t.Slug) }

// names reports whether k names the tenant that is called so.
func (k Key) names(id *ID, number int64, slug string) bool {
	switch {
	case !k.id.IsZero():
		return *id == k.id
	case k.slug != "":
		return slug == k.slug
	}
	return k.number != 0 && number == k.number
}
