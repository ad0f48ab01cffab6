package tenant

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// What [Query.Limit] is by default, and at most.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Query says which tenants to list. Fields that are set must all match; the
// zero Query is all tenants, Deleted ones included.
type Query struct {
	// Status lists the statuses wanted. Empty means any.
	Status []Status
	Plan   Plan
	Region Region
	// Server and Strategy are those of the placement.
	Server   string
	Strategy Strategy
	// Labels are labels that the tenant must have, with these values.
	Labels Labels
	// SlugPrefix is how the slug must begin.
	SlugPrefix string
	// Limit bounds the tenants of one page, from 1 to [MaxLimit]. Defaults to
	// [DefaultLimit].
	Limit int
	// Cursor is [Page.Next] of the page before, for the same Query. Empty
	// means the first page.
	Cursor string
}

// Page is one page of a list.
type Page struct {
	Tenants []Tenant
	// Next is the cursor of the next page, empty on the last one.
	Next string
}

// Validate reports all that is wrong with q together; see [ErrInvalid].
func (q Query) Validate() error {
	errs := []error{
		optionalName("plan", string(q.Plan)),
		optionalName("region", string(q.Region)),
		optionalName("server", q.Server),
		validateLabels(q.Labels),
	}
	for _, s := range q.Status {
		if !s.Valid() {
			errs = append(errs, invalid("status", string(s), "is no status"))
		}
	}
	if q.Strategy != "" && !q.Strategy.Valid() {
		errs = append(errs, invalid("strategy", string(q.Strategy), "is none of shared, schema and database"))
	}
	if len(q.SlugPrefix) > maxSlug || strings.ContainsFunc(q.SlugPrefix, notInSlug) {
		errs = append(errs, invalid("slug prefix", q.SlugPrefix, "is not how a slug can begin"))
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		errs = append(errs, invalid("limit", fmt.Sprint(q.Limit), fmt.Sprintf("is not within 1 to %d", MaxLimit)))
	}
	_, err := q.After()
	return errors.Join(append(errs, err)...)
}

// Matches reports whether t is among the tenants that q asks for, on whatever
// page.
func (q Query) Matches(t Tenant) bool {
	for name, value := range q.Labels.All() {
		if got, ok := t.Labels.Get(name); !ok || got != value {
			return false
		}
	}
	return (len(q.Status) == 0 || slices.Contains(q.Status, t.Status)) &&
		(q.Plan == "" || q.Plan == t.Plan) &&
		(q.Region == "" || q.Region == t.Region) &&
		(q.Server == "" || q.Server == t.Placement.Server) &&
		(q.Strategy == "" || q.Strategy == t.Placement.Strategy) &&
		strings.HasPrefix(t.Slug, q.SlugPrefix)
}

// PageSize returns the Limit or its default.
func (q Query) PageSize() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// A cursor is the number of the last tenant seen, under a fingerprint of what
// was asked: pages hold their place while tenants come, and a cursor that
// strays into another list is found out. It is no secret and needs no MAC: all
// it can do is start somewhere else in a list that its bearer may read anyway.
const (
	cursorVersion = 1
	cursorBytes   = 1 + 8 + 8
)

// After returns the number after which the page begins, zero for the first
// page. It is for stores. It fails with an [*InvalidError] for a Cursor that
// is not one of this Query.
func (q Query) After() (int64, error) {
	if q.Cursor == "" {
		return 0, nil
	}
	broken := invalid("cursor", q.Cursor, "is not one that a list returned")
	if len(q.Cursor) != base64.RawURLEncoding.EncodedLen(cursorBytes) {
		return 0, broken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion {
		return 0, broken
	}
	if binary.BigEndian.Uint64(b[1:]) != q.fingerprint() {
		return 0, invalid("cursor", q.Cursor, "is of another query")
	}
	after := int64(binary.BigEndian.Uint64(b[9:])) //nolint:gosec // G115: checked next
	if after <= 0 {
		return 0, broken
	}
	return after, nil
}

// Page makes the page out of the tenants that a store found: those after
// [Query.After], in the order of their numbers, one more than [Query.PageSize]
// if there are as many.
func (q Query) Page(found []Tenant) Page {
	size := q.PageSize()
	if len(found) <= size {
		return Page{Tenants: found}
	}
	found = found[:size]
	b := make([]byte, 0, cursorBytes)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, q.fingerprint())
	b = binary.BigEndian.AppendUint64(b, uint64(found[size-1].Number)) //nolint:gosec // G115: numbers are positive
	return Page{Tenants: found, Next: base64.RawURLEncoding.EncodeToString(b)}
}

// fingerprint is the same for all pages of one list; the Limit may change
// between them.
func (q Query) fingerprint() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %q %q %q", q.Status, q.Plan, q.Region, q.Server, q.Strategy, q.SlugPrefix)
	for name, value := range q.Labels.All() {
		fmt.Fprintf(h, " %q=%q", name, value)
	}
	return h.Sum64()
}
