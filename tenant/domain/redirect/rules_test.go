package redirect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

func TestParse(t *testing.T) {
	t.Parallel()
	text := `{"https":true,"to_primary":true,"www":"drop","paths":[
		{"from":"/old","to":"/new","status":301},{"from":"/blog/*","to":"Blög.Example.com/*"},{"from":"/über","to":"/about us"}]}`
	if _, err := redirect.Parse([]byte(text)); err == nil {
		t.Error("a space in a path is let through")
	}
	r, err := redirect.Parse([]byte(strings.Replace(text, "about us", "about", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Paths[1].To; got != "xn--blg-tna.example.com/*" {
		t.Errorf("host is %q", got)
	}
	written, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again redirect.Rules
	if err := json.Unmarshal(written, &again); err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
		t.Errorf("%s is read as %v, %v", written, again, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	rule := func(from, to string) string { return fmt.Sprintf(`{"paths":[{"from":%q,"to":%q}]}`, from, to) }
	many := `{"paths":[` + strings.Repeat(`{"from":"/a","to":"/b"},`, redirect.MaxPaths) + `{"from":"/a","to":"/b"}]}`
	for name, text := range map[string]string{
		"nothing":               ``,
		"no object":             `[]`,
		"an unknown field":      `{"http":true}`,
		"an unknown field deep": `{"paths":[{"from":"/a","to":"/b","code":301}]}`,
		"something behind":      `{} {}`,
		"www":                   `{"www":"both"}`,
		"a status":              `{"paths":[{"from":"/a","to":"/b","status":303}]}`,
		"many rules":            many,
		"size":                  `{"www":"` + strings.Repeat(" ", redirect.MaxRules) + `"}`,
		"depth":                 strings.Repeat(`{"paths":`, 20000),
		"no scheme, evil host":  rule("/a", "//evil.example/"),
		"three slashes":         rule("/a", "///evil.example/"),
		"backslash":             rule("/a", `/\evil.example`),
		"backslashes":           rule("/a", `\\evil.example/`),
		"a scheme":              rule("/a", "https://evil.example/"),
		"javascript":            rule("/a", "javascript:alert(1)/"),
		"user info":             rule("/a", "shop.example@evil.example/"),
		"a port":                rule("/a", "shop.example:8080/"),
		"a host alone":          rule("/a", "shop.example"),
		"an address":            rule("/a", "10.0.0.1/"),
		"CR LF":                 "{\"paths\":[{\"from\":\"/a\",\"to\":\"/b\\r\\nSet-Cookie: x\"}]}",
		"NUL":                   `{"paths":[{"from":"/a","to":"/b\u0000"}]}`,
		"a hidden direction":    `{"paths":[{"from":"/a","to":"/b\u202e"}]}`,
		"a query":               rule("/a", "/b?x=1"),
		"a fragment":            rule("/a", "/b#x"),
		"percent":               rule("/a", "/%2e%2e/b"),
		"dot segments":          rule("/a", "/b/../c"),
		"an asterisk inside":    rule("/a/*/b", "/b"),
		"an asterisk in a name": rule("/a*", "/b"),
		"a tail from nowhere":   rule("/a", "/b/*"),
		"relative":              rule("/a", "b"),
		"from relative":         rule("a", "/b"),
		"from nothing":          rule("", "/b"),
		"from a challenge":      rule("/.well-known/acme-challenge/*", "/b"),
		"a long path":           rule("/a", "/"+strings.Repeat("b", redirect.MaxPath)),
	} {
		if r, err := redirect.Parse([]byte(text)); err == nil {
			t.Errorf("%s: read as %v", name, r)
		}
	}
	var fault *redirect.RuleError
	if _, err := redirect.Parse([]byte(rule("/a", "//evil.example/"))); !errors.As(err, &fault) || fault.Path != 0 || strings.Contains(err.Error(), "evil") {
		t.Errorf("error is %v", err)
	}
}
