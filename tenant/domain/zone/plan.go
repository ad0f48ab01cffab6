package zone

import (
	"fmt"
	"slices"
	"strings"
)

// Action is what a plan does to a set.
type Action string

// The actions.
const (
	Create Action = "create"
	Change Action = "change"
	Delete Action = "delete"
)

// Step is one action of a plan.
type Step struct {
	Action Action
	// Set is as it is to be; for Delete, as it is.
	Set Set
	// Was is the data that there is now.
	Was []string
	// marked says that the mark is there already.
	marked bool
}

// Conflict is a set that cannot be as it should without touching what is not ours.
type Conflict struct {
	Set Set
	// There is what is in the way.
	There Set
}

// Plan is what it takes to make a zone as it should be.
type Plan struct {
	Zone      string
	Steps     []Step
	Conflicts []Conflict
	want      []Set
}

// Empty reports whether there is nothing to do and nothing in the way.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 && len(p.Conflicts) == 0 }

// String returns the plan for people, a line for each set: + what is created, ~
// what is changed, - what is deleted, ! what is in the way.
func (p *Plan) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		switch s.Action {
		case Create:
			fmt.Fprintf(&b, "+ %s\n", s.Set)
		case Change:
			fmt.Fprintf(&b, "~ %s (was %s)\n", s.Set, strings.Join(s.Was, ", "))
		case Delete:
			fmt.Fprintf(&b, "- %s\n", s.Set)
		}
	}
	for _, c := range p.Conflicts {
		fmt.Fprintf(&b, "! %s: there is %s, which is not ours\n", c.Set, c.There)
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

// ConflictError is returned for a plan that something is in the way of.
type ConflictError struct{ Conflicts []Conflict }

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("zone: %d sets are in the way and not ours, such as %s %s", len(e.Conflicts), e.Conflicts[0].There.Name, e.Conflicts[0].There.Type)
}

// present is what a zone holds.
type present struct {
	sets  map[key]Set
	names map[string][]Set
	owned map[key]bool
}

// plan compares what is wanted, in normal form, with what there is.
func plan(zone string, want []Set, have present) *Plan {
	p := &Plan{Zone: zone, want: want}
	wanted := map[key]bool{}
	for _, s := range want {
		wanted[s.key()] = true
	}
	for _, s := range want {
		there, exists := have.sets[s.key()]
		owned := have.owned[s.key()]
		switch foreign, inTheWay := have.blocks(s); {
		case exists && slices.Equal(there.Data, s.Data):
			// Whoever has made it. One that is not ours stays so.
		case exists && !owned:
			p.Conflicts = append(p.Conflicts, Conflict{s, there})
		case inTheWay:
			p.Conflicts = append(p.Conflicts, Conflict{s, foreign})
		case exists:
			p.Steps = append(p.Steps, Step{Action: Change, Set: s, Was: there.Data, marked: true})
		default:
			p.Steps = append(p.Steps, Step{Action: Create, Set: s, marked: owned})
		}
	}
	var gone []Step
	for k := range have.owned {
		if there, exists := have.sets[k]; !wanted[k] {
			if !exists { // the mark is left alone: somebody, or a crash, took the set
				there = Set{Name: k.name, Type: k.kind}
			}
			gone = append(gone, Step{Action: Delete, Set: there, Was: there.Data, marked: true})
		}
	}
	slices.SortFunc(gone, func(a, b Step) int { return strings.Compare(a.Set.String(), b.Set.String()) })
	// What goes makes room: a CNAME can be nowhere beside another record.
	p.Steps = append(gone, p.Steps...)
	return p
}

// blocks returns a set that is not ours at a name where a CNAME is to be, or a
// CNAME that is not ours where something else is to be (RFC 1034, section 3.6.2).
func (h present) blocks(s Set) (Set, bool) {
	for _, there := range h.names[s.Name] {
		if !h.owned[there.key()] && there.Type != s.Type && (there.Type == "CNAME" || s.Type == "CNAME") {
			return there, true
		}
	}
	return Set{}, false
}
