package redirect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/partywall/partywall/internal/hostname"
)

// WWW says what to do about the label www in front of a host.
type WWW string

// The ways with www. Either takes effect only if the other host is the tenant's
// as well.
const (
	WWWKeep WWW = ""
	WWWAdd  WWW = "add"
	WWWDrop WWW = "drop"
)

// Limits of what a tenant may save.
const (
	// MaxPaths is how many path rules one host may have.
	MaxPaths = 200
	// MaxRules is how large their JSON may be, in bytes.
	MaxRules = 256 << 10
	// MaxPath is how long a path or a target may be, in bytes.
	MaxPath = 2048
)

// Rules are the redirects of one host. The zero Rules redirect nothing.
type Rules struct {
	// HTTPS leads plain HTTP to https.
	HTTPS bool `json:"https,omitempty"`
	// ToPrimary leads to the tenant's primary host: an old name to the new one.
	ToPrimary bool `json:"to_primary,omitempty"`
	// WWW leads to the host with or without www. It goes after ToPrimary.
	WWW WWW `json:"www,omitempty"`
	// Paths are tried in order, and before the rules for the host; the first that
	// matches is taken.
	Paths []PathRule `json:"paths,omitempty"`
}

// PathRule leads one path, or all below one, elsewhere.
type PathRule struct {
	// From is an absolute path as people read it, without percent signs: "/old"
	// matches it alone, "/blog/*" all that begins with /blog/. Requests whose path
	// has empty or dot segments match no rule.
	From string `json:"from"`
	// To is an absolute path on the same host, or one of the tenant's hosts with
	// a path: "/new", "shop.example.com/new". If From and To both end in "*", what
	// the one stood for is put in place of the other.
	To string `json:"to"`
	// Status is 301, 302, 307 or 308; 0 is 308.
	Status int `json:"status,omitempty"`
}

// RuleError says which rule cannot be saved, and why.
type RuleError struct {
	// Host is the host that the rule is of; "" where only the rules were parsed.
	Host string
	// Path is the place of the path rule, from 0; -1 if it is none.
	Path int
	// Why is for the people who wrote the rule. It does not quote it.
	Why string
}

// Error implements error.
func (e *RuleError) Error() string {
	text := "redirect: "
	if e.Host != "" {
		text += e.Host + ": "
	}
	if e.Path >= 0 {
		text += "path rule " + strconv.Itoa(e.Path+1) + " "
	}
	return text + e.Why
}

// Parse reads rules from JSON and brings the hosts in them into their one
// spelling. It refuses unknown fields, and returns each rule that cannot be as a
// [RuleError]. Whether the hosts are the tenant's is for [Check] to say.
func Parse(data []byte) (Rules, error) {
	type plain Rules // without UnmarshalJSON
	var p plain
	if len(data) > MaxRules {
		return Rules{}, &RuleError{Path: -1, Why: "rules are too large"}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Rules{}, fmt.Errorf("redirect: rules are not what they should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Rules{}, &RuleError{Path: -1, Why: "there is something behind the rules"}
	}
	r := Rules(p)
	for i := range r.Paths {
		if host, path := r.Paths[i].to(); host != "" {
			if one, err := hostname.Normalize(host); err == nil && !strings.Contains(host, ":") {
				r.Paths[i].To = one + path
			}
		}
	}
	if err := r.validate(""); err != nil {
		return Rules{}, err
	}
	return r, nil
}

// UnmarshalJSON implements json.Unmarshaler by [Parse].
func (r *Rules) UnmarshalJSON(data []byte) error {
	parsed, err := Parse(data)
	if err == nil {
		*r = parsed
	}
	return err
}

// validate returns all mistakes but those that take other hosts to see.
func (r *Rules) validate(host string) error {
	var all []error
	refuse := func(path int, why string) { all = append(all, &RuleError{Host: host, Path: path, Why: why}) }
	if r.WWW != WWWKeep && r.WWW != WWWAdd && r.WWW != WWWDrop {
		refuse(-1, `www is neither "add" nor "drop"`)
	}
	if len(r.Paths) > MaxPaths {
		refuse(-1, "there are too many path rules")
		return errors.Join(all...)
	}
	for i, p := range r.Paths {
		if why := pathFault(p.From); why != "" {
			refuse(i, "is from a path that "+why)
		}
		host, path := p.to()
		if one, err := hostname.Normalize(host); host != "" && (err != nil || one != host) {
			refuse(i, "leads to what is no host name")
		}
		if why := pathFault(path); why != "" {
			refuse(i, "leads to a path that "+why)
		}
		if wild(path) && !wild(p.From) {
			refuse(i, "ends in * where it leads, but not where it is from")
		}
		if p.Status != 0 && !slices.Contains([]int{301, 302, 307, 308}, p.Status) {
			refuse(i, "has a status other than 301, 302, 307 and 308")
		}
	}
	return errors.Join(all...)
}

// to splits To into host and path. The host is "" if the rule stays where it is.
func (p PathRule) to() (host, path string) {
	if i := strings.IndexByte(p.To, '/'); i > 0 {
		return p.To[:i], p.To[i:]
	}
	return "", p.To
}

func (p PathRule) status() int { return cmp.Or(p.Status, http.StatusPermanentRedirect) }

// rewrite returns where a path of the rule's host leads. It reports false if the
// rule does not match.
func (p PathRule) rewrite(path string) (string, bool) {
	_, to := p.to()
	if !wild(p.From) {
		return to, path == p.From
	}
	tail, ok := strings.CutPrefix(path, p.From[:len(p.From)-1])
	if prefix, wild := strings.CutSuffix(to, "*"); ok && wild {
		to = prefix + tail
	}
	return to, ok
}

func wild(path string) bool { return strings.HasSuffix(path, "/*") }

// pathFault says what is wrong with a path of a rule, or "". Paths are written as
// people read them, without percent signs: so there is one way to write each,
// and none to hide a character.
func pathFault(path string) string {
	if wild(path) {
		path = strings.TrimSuffix(path, "*")
	}
	switch {
	case !strings.HasPrefix(path, "/"):
		return "does not begin with a slash"
	case len(path) > MaxPath:
		return "is too long"
	case !utf8.ValidString(path):
		return "is not in UTF-8"
	case !clean(path):
		return "has empty or dot segments"
	case exempt(path):
		return "belongs to the proofs of domains"
	}
	for _, r := range path {
		if strings.ContainsRune(`%*?#\`, r) || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			return "has a character that rules may not have"
		}
	}
	return ""
}

// clean reports whether a path is what browsers make of it: they take dot
// segments out, some servers empty ones.
func clean(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// exempt reports whether a path is asked for by who checks domains and issues
// certificates (RFC 8555, section 8.3): nobody may lead them elsewhere.
func exempt(path string) bool {
	return strings.HasPrefix(path, "/.well-known/acme-challenge/") || path == "/.well-known/partywall-challenge"
}
