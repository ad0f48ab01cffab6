package tenant

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What the texts of a tenant may be at most, in bytes.
const (
	maxText       = 200 // names and reasons
	maxName       = 63  // plans, regions, servers, names of labels
	maxIdentifier = 63  // schemas and databases: PostgreSQL cuts what is longer
	maxPlace      = 512 // buckets and caches, which may be URLs
	maxLabel      = 256 // values of labels
)

// ValidateName reports whether name will do as the name of a plan, a region, a
// server or a label: 1 to 63 ASCII letters, digits, '.', '_' and '-', the
// first of them a letter or a digit. It fails with an [*InvalidError] about
// field.
func ValidateName(field, name string) error {
	switch {
	case name == "":
		return invalid(field, name, "is empty")
	case len(name) > maxName:
		return invalid(field, name, "is longer than 63 characters")
	case strings.ContainsFunc(name, notInName):
		return invalid(field, name, "has a character that is no ASCII letter, digit, '.', '_' or '-'")
	case strings.ContainsRune("._-", rune(name[0])):
		return invalid(field, name, "does not begin with a letter or a digit")
	}
	return nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}

// optionalName is ValidateName for names that may be empty.
func optionalName(field, name string) error {
	if name == "" {
		return nil
	}
	return ValidateName(field, name)
}

// validateText checks text that people read: UTF-8 of at most limit bytes
// without control characters, and without the marks that turn the direction
// of writing, by which one name is made to look like another.
func validateText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return invalid(field, text, fmt.Sprintf("is longer than %d bytes", limit))
	case !utf8.ValidString(text):
		return invalid(field, text, "is not UTF-8")
	case strings.ContainsFunc(text, unreadable):
		return invalid(field, text, "has a control character")
	}
	return nil
}

func unreadable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' ||
		'\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

func validateLabels(l Labels) error {
	var errs []error
	if l.Len() > MaxLabels {
		errs = append(errs, invalid("labels", "", fmt.Sprintf("are %d, more than %d", l.Len(), MaxLabels)))
	}
	for name, value := range l.All() {
		if len(errs) > 10 {
			break // a thousand broken labels need not be told one by one
		}
		if err := ValidateName("label", name); err != nil {
			errs = append(errs, err)
		} else if err := validateText("label "+name, value, maxLabel); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Validate reports all that is wrong with p together. The zero Placement is
// right: a tenant that is not placed yet. Any other has a Server, a Strategy,
// and just the names that the strategy needs. The Epoch is not looked at.
func (p Placement) Validate() error {
	p.Epoch = 0
	if p == (Placement{}) {
		return nil
	}
	errs := []error{
		ValidateName("server", p.Server),
		identifier("schema", p.Schema, p.Strategy == Schema),
		identifier("database", p.Database, p.Strategy == Database),
		validateText("bucket", p.Bucket, maxPlace),
		validateText("cache", p.Cache, maxPlace),
	}
	if !p.Strategy.Valid() {
		errs = append(errs, invalid("strategy", string(p.Strategy), "is none of shared, schema and database"))
	}
	return errors.Join(errs...)
}

// identifier checks a name of PostgreSQL's. Any text will do there, because it
// is always quoted; it is kept to what people can read.
func identifier(field, name string, wanted bool) error {
	switch {
	case wanted && name == "":
		return invalid(field, name, "is empty, and the strategy needs it")
	case !wanted && name != "":
		return invalid(field, name, "is set, and the strategy has none")
	}
	return validateText(field, name, maxIdentifier)
}

// check is the last gate before a Store: whatever way a tenant was made, it is
// written only when all of it is right.
func check(t Tenant) error {
	errs := []error{
		ValidateSlug(t.Slug),
		validateText("name", t.Name, maxText),
		validateText("reason", t.Reason, maxText),
		optionalName("plan", string(t.Plan)),
		optionalName("region", string(t.Region)),
		validateLabels(t.Labels),
		t.Placement.Validate(),
	}
	if !t.Status.Valid() {
		errs = append(errs, invalid("status", string(t.Status), "is no status"))
	}
	return errors.Join(errs...)
}
