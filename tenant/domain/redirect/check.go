package redirect

import (
	"errors"
	"slices"
	"strings"

	"github.com/partywall/partywall/internal/hostname"
)

// MaxAllPaths is how many path rules all hosts of one tenant may have together.
const MaxAllPaths = 1000

// LoopError is returned by [Check] for redirects that do not come to an end, or
// to none that browsers wait for.
type LoopError struct {
	// Chain are the hosts and paths in their order. The last one is where an
	// earlier one leads to again, or where patience ended.
	Chain []string
}

// Error implements error.
func (e *LoopError) Error() string {
	return "redirect: goes in a circle: " + strings.Join(e.Chain, " → ")
}

// Check looks at all hosts of one tenant with their rules, before they are
// saved. It returns each rule that cannot be as a [RuleError], and a [LoopError]
// for the first loop: a host and path that lead back to themselves, a chain of
// more than ten redirects, and rules that make a path longer each time around.
//
// It errs to the safe side: rules whose patterns lead into each other are refused
// unless each of them shortens the path, even if no path is in all the patterns.
func Check(sites []Site) error {
	var all []error
	byHost, paths := map[string]Site{}, 0
	for _, s := range sites {
		all = append(all, s.check())
		byHost[s.Host] = s
		paths += len(s.Rules.Paths)
	}
	if paths > MaxAllPaths {
		all = append(all, &RuleError{Path: -1, Why: "all hosts together have too many path rules"})
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	if chain := (graph{byHost, edges(byHost, sites)}).cycle(); chain != nil {
		return &LoopError{Chain: chain}
	}
	for _, s := range sites {
		for _, start := range s.starts() {
			if chain := follow(byHost, start); chain != nil {
				return &LoopError{Chain: chain}
			}
		}
	}
	return nil
}

func (s Site) check() error {
	all := []error{s.Rules.validate(s.Host)}
	for _, host := range append([]string{s.Host}, s.Hosts...) {
		if one, err := hostname.Normalize(host); err != nil || one != host {
			all = append(all, &RuleError{Path: -1, Why: "a host is not in its one spelling"})
		}
	}
	if !s.has(s.Host) {
		all = append(all, &RuleError{Host: s.Host, Path: -1, Why: "host is not among those that serve the tenant"})
	}
	if s.Primary != "" && !s.has(s.Primary) {
		all = append(all, &RuleError{Host: s.Host, Path: -1, Why: "primary host is not among those that serve the tenant"})
	}
	for i, rule := range s.Rules.Paths {
		if host, _ := rule.to(); host != "" && !s.has(host) {
			all = append(all, &RuleError{Host: s.Host, Path: i, Why: "leads to a host that does not serve the tenant"})
		}
	}
	return errors.Join(all...)
}

// starts are the places from which redirects are followed one by one: where
// rules lead to a single path, and a path that no rule may match.
func (s Site) starts() []place {
	starts := []place{{host: s.Host, path: "//"}}
	for _, rule := range s.Rules.Paths {
		host, to := rule.to()
		if host == "" {
			host = s.other()
		}
		if !wild(to) {
			starts = append(starts, place{host: host, path: to})
		}
		if !wild(rule.From) {
			starts = append(starts, place{host: s.Host, path: rule.From})
		}
	}
	return starts
}

// follow returns the chain of a place whose redirects do not end in time, or nil.
// That HTTPS is demanded is left out: it adds a redirect, and never takes one
// back.
func follow(sites map[string]Site, at place) []string {
	at.secure = true
	chain := []string{at.host + at.path}
	seen := []place{at}
	for range maxHops + 1 {
		site, ok := sites[at.host]
		if !ok {
			return nil
		}
		to, _ := site.move(at, "")
		if to == at {
			return nil
		}
		at, chain = to, append(chain, to.host+to.path)
		if slices.Contains(seen, at) {
			return chain
		}
		seen = append(seen, at)
	}
	return chain
}

// A node is a rule that leads all paths below one to all below another. The rule
// -1 of a host is what moves paths that match none to another host.
type node struct {
	host string
	rule int
}

// graph has an edge between two nodes where a path may go from one to the other.
// A walk that never ends either comes to the same single path again, which
// [follow] finds, or in the end stays in this graph. It has no end there only if
// it goes around a cycle that does not shorten the path.
type graph struct {
	sites map[string]Site
	next  map[node][]node
}

func edges(byHost map[string]Site, sites []Site) map[node][]node {
	next := map[node][]node{}
	for _, s := range sites {
		for i := -1; i < len(s.Rules.Paths); i++ {
			host, _, to, ok := s.pattern(i)
			if !ok {
				continue
			}
			at := node{s.Host, i}
			target, ok := byHost[host]
			for j := -1; ok && j < len(target.Rules.Paths); j++ {
				if target.takes(j, to) {
					next[at] = append(next[at], node{host, j})
				}
			}
		}
	}
	return next
}

// pattern returns what a node does: it leads paths that begin with from to the
// host, with to in its place. It reports false for what is no node.
func (s Site) pattern(i int) (host, from, to string, ok bool) {
	if i < 0 {
		return s.other(), "/", "/", s.other() != s.Host
	}
	rule := s.Rules.Paths[i]
	host, path := rule.to()
	if host == "" {
		host = s.other()
	}
	return host, strings.TrimSuffix(rule.From, "*"), strings.TrimSuffix(path, "*"), wild(path)
}

// takes reports whether a path that begins with prefix may come to a node: the
// node's pattern has some of them, and no rule before it has all of those.
func (s Site) takes(i int, prefix string) bool {
	_, from, _, ok := s.pattern(i)
	if !ok || !strings.HasPrefix(from, prefix) && !strings.HasPrefix(prefix, from) {
		return false
	}
	both, before := from, s.Rules.Paths
	if len(prefix) > len(from) {
		both = prefix
	}
	if i >= 0 {
		before = before[:i]
	}
	for _, rule := range before {
		if earlier, ok := strings.CutSuffix(rule.From, "*"); ok && strings.HasPrefix(both, earlier) {
			return false
		}
	}
	return true
}

// cycle returns the chain of a cycle in which one node at least does not shorten
// the path, or nil.
func (g graph) cycle() []string {
	for start := range g.next {
		_, from, to, _ := g.sites[start.host].pattern(start.rule)
		if len(to) < len(from) {
			continue
		}
		came := map[node]node{}
		for queue := []node{start}; len(queue) > 0; queue = queue[1:] {
			for _, n := range g.next[queue[0]] {
				if _, known := came[n]; known {
					continue
				}
				came[n] = queue[0]
				if n == start {
					return g.chain(came, start)
				}
				queue = append(queue, n)
			}
		}
	}
	return nil
}

// chain reads a cycle backwards from where the search came.
func (g graph) chain(came map[node]node, start node) []string {
	name := func(n node) string {
		_, from, _, _ := g.sites[n.host].pattern(n.rule)
		return n.host + from + "*"
	}
	chain := []string{name(start)}
	for n := came[start]; n != start; n = came[n] {
		chain = append(chain, name(n))
	}
	chain = append(chain, name(start))
	slices.Reverse(chain)
	return chain
}
