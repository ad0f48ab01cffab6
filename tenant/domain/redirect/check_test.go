package redirect_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

func TestLoops(t *testing.T) {
	t.Parallel()
	add, drop, primary := redirect.Rules{WWW: redirect.WWWAdd}, redirect.Rules{WWW: redirect.WWWDrop}, redirect.Rules{ToPrimary: true}
	with := func(base, more redirect.Rules) redirect.Rules {
		base.Paths = append(base.Paths, more.Paths...)
		return base
	}
	var long []string
	for i := range 12 {
		long = append(long, fmt.Sprintf("/%d", i), fmt.Sprintf("/%d", i+1))
	}
	for name, rules := range map[string]map[string]redirect.Rules{
		"www and back":              {"a.example": add, "www.a.example": drop},
		"www and primary":           {"a.example": add, "www.a.example": primary},
		"to itself":                 {"a.example": paths("/x", "/y", "/y", "/x")},
		"three paths":               {"a.example": paths("/x", "/y", "/y", "/z", "/z", "/x")},
		"a tail that stays":         {"a.example": paths("/x/*", "/y/*", "/y/*", "/x/*")},
		"a tail that grows":         {"a.example": paths("/x/*", "/x/x/*")},
		"into all":                  {"a.example": paths("/*", "/x/*")},
		"two hosts":                 {"a.example": paths("/*", "b.example/*"), "b.example": paths("/*", "a.example/*")},
		"two hosts, one path":       {"a.example": paths("/x", "b.example/x"), "b.example": paths("/x", "a.example/x")},
		"primary, and a path back":  {"a.example": paths("/blog/*", "b.example/blog/*"), "b.example": primary},
		"one that is in a pattern":  {"a.example": paths("/x", "/y/z", "/y/*", "/x")},
		"shorter, and longer again": {"a.example": paths("/x/y/*", "/*", "/z/*", "/x/y/x/y/z/*", "/x/*", "/z/*")},
		"www with a path":           {"a.example": with(add, paths("/x", "/y")), "www.a.example": paths("/y", "a.example/x")},
		"a long chain":              {"a.example": paths(long...)},
	} {
		sites := tenantOf("a.example", rules)
		var loop *redirect.LoopError
		if err := redirect.Check(sites.list()); !errors.As(err, &loop) || len(loop.Chain) < 2 || !strings.Contains(err.Error(), loop.Chain[0]) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNoLoops(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]map[string]redirect.Rules{
		"nothing":                    {"a.example": {}},
		"www":                        {"a.example": {WWW: redirect.WWWAdd, HTTPS: true}, "www.a.example": {WWW: redirect.WWWAdd, HTTPS: true}},
		"primary, by both":           {"a.example": {ToPrimary: true, WWW: redirect.WWWDrop}, "www.a.example": {ToPrimary: true}},
		"a path that moved":          {"a.example": paths("/blog/*", "/news/*", "/news/old/*", "/archive/*")},
		"all to one of them":         {"a.example": paths("/x/*", "/x/y")},
		"one that stays put":         {"a.example": paths("/x", "/x")},
		"shorter each time":          {"a.example": paths("/docs/*", "/*")},
		"another host, and shorter":  {"a.example": paths("/docs/*", "b.example/docs/*"), "b.example": paths("/docs/*", "/*")},
		"an earlier rule that stops": {"a.example": paths("/x/y/*", "/z", "/x/*", "/x/y/*")},
		"a rule saves from primary":  {"a.example": paths("/blog/*", "b.example/blog/*"), "b.example": {ToPrimary: true, Paths: paths("/blog/*", "/").Paths}},
		"ten in a row": {"a.example": paths("/0", "/1", "/1", "/2", "/2", "/3", "/3", "/4", "/4", "/5", "/5", "/6", "/6", "/7", "/7", "/8",
			"/8", "/9", "/9", "/10")},
	} {
		if err := redirect.Check(tenantOf("a.example", rules).list()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	ok := []string{"a.example", "b.example"}
	for name, site := range map[string]redirect.Site{
		"another's host":      {Host: "a.example", Hosts: ok, Rules: paths("/x", "evil.example/x")},
		"another's primary":   {Host: "a.example", Hosts: ok, Primary: "evil.example"},
		"a host not its own":  {Host: "c.example", Hosts: ok},
		"a host in capitals":  {Host: "a.example", Hosts: append(ok, "C.example")},
		"rules not parsed":    {Host: "a.example", Hosts: ok, Rules: paths("/x", "//evil.example/")},
		"a host not in order": {Host: "a.example", Hosts: ok, Rules: paths("/x", "B.example/")},
	} {
		var fault *redirect.RuleError
		if err := redirect.Check([]redirect.Site{site}); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := map[string]redirect.Rules{}
	for i := range redirect.MaxAllPaths/redirect.MaxPaths + 1 {
		many[fmt.Sprintf("h%d.example", i)] = redirect.Rules{Paths: make([]redirect.PathRule, redirect.MaxPaths)}
		for j := range many[fmt.Sprintf("h%d.example", i)].Paths {
			many[fmt.Sprintf("h%d.example", i)].Paths[j] = redirect.PathRule{From: fmt.Sprintf("/%d", j), To: "/"}
		}
	}
	if err := redirect.Check(tenantOf("h0.example", many).list()); err == nil {
		t.Error("more rules than a tenant may have")
	}
}

// Rules that were saved past Check do not send anybody around: the handler serves
// instead, and by HTTPS where that is demanded.
func TestHandlerStopsLoops(t *testing.T) {
	t.Parallel()
	for _, rules := range []map[string]redirect.Rules{
		{"a.example": {HTTPS: true, WWW: redirect.WWWAdd}, "www.a.example": {WWW: redirect.WWWDrop}},
		{"a.example": {HTTPS: true, Paths: paths("/", "/y", "/y", "/").Paths}},
		{"a.example": {HTTPS: true, Paths: paths("/", "b.example/").Paths}, "b.example": {ToPrimary: true}},
	} {
		h := redirect.Handler(tenantOf("a.example", rules), served())
		if status, to := get(h, "https://a.example/"); status != http.StatusTeapot {
			t.Errorf("%v leads to %s", rules, to)
		}
		if _, to := get(h, "http://a.example/"); to != "https://a.example/" {
			t.Errorf("%v leads plain HTTP to %q", rules, to)
		}
	}
	// It does lead on where they end.
	if _, to := get(redirect.Handler(shop(), served()), "https://shop.example/"); to != "https://www.shop.example/" {
		t.Errorf("got %q", to)
	}
}
