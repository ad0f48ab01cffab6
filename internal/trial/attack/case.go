package main

import (
	"context"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// Case is one way to get at the rows of another tenant, played twice: on a set-up
// as one would write it at first, where it has to succeed, and against the wall.
type Case struct {
	// ID is the number of the case in the list that the suite follows. A letter
	// behind it is a neighbour of that case, which ends differently.
	ID, Name string
	// Control plays it where it succeeds, and Attack against the wall. For most
	// cases they are the same function, and so the same bytes.
	Control, Attack Attack
	// On says what the control's set-up is.
	On string
	// Open says why the wall does not hold the case in a combination, and is ""
	// where it does. Nil is nowhere.
	Open func(combination) string
	// By says what holds the case, where that is not the wall alone.
	By string
	// Proof is the code by which prove finds the hole that the case makes in a
	// host's schema. "" is a case that needs nobody to look.
	Proof string
	// Once is a case in which tenants are told apart before a statement is sent: it
	// is played in the first combination of each server.
	Once bool
	// Unbuilt says which part of the case there is no feature for yet.
	Unbuilt string
}

// Attack plays a case. What the attacker comes to know of the victim is heard by
// the scene; the error is the machinery's own. To be refused is no error.
type Attack func(ctx context.Context, s *scene) error

// combination is one way to use the wall.
type combination struct {
	mode     mode.Mode
	strategy tenant.Strategy
}

func (c combination) String() string { return c.mode.Name + ", " + string(c.strategy) }

// Verdict is how a case ended in one combination.
type Verdict string

// The verdicts. All but the first four fail the suite.
const (
	Held Verdict = "held"
	// Proven is a hole that prove finds, and that the SQL it prints closes.
	Proven  Verdict = "held by proof"
	Open    Verdict = "open"          // it gets through, and the case says why
	Unbuilt Verdict = "not built yet" // what there is holds; the rest is to come
	Leak    Verdict = "leak"
	// NoControl is a case that proves nothing: it does not succeed on the plain
	// set-up either.
	NoControl Verdict = "no control"
	// Broken is a house that does not serve its tenants after the attack, or an
	// attack that could not be played.
	Broken Verdict = "broken"
	// Shut is a case that is said to be open, and is held: what it says is wrong.
	Shut Verdict = "held, though said to be open"
)

// Good reports whether the suite may pass with it.
func (v Verdict) Good() bool { return v == Held || v == Proven || v == Open || v == Unbuilt }

// Outcome is how a case ended in one combination, and what shows it.
type Outcome struct {
	Case     Case
	At       combination
	Verdict  Verdict
	Evidence string
}

// everywhere are all combinations.
func everywhere(combination) bool { return true }

// pooled are those behind a pooler.
func pooled(c combination) bool { return c.mode.Pooled }

// together are those whose tenants are in one database.
func together(c combination) bool { return c.strategy != tenant.Database }

// when is the reason of a case that is open in some combinations.
func when(is func(combination) bool, reason string) func(combination) string {
	return func(c combination) string {
		if is(c) {
			return reason
		}
		return ""
	}
}

// cases are all of them, in order.
func cases() []Case {
	var all []Case
	for _, group := range [][]Case{
		statementCases(), contextCases(), roleCases(), hostCases(), writeCases(), oracleCases(), sessionCases(), outsideCases(), webCases(), domainCases(), claimCases(), handshakeCases(), cacheCases(), fileCases(),
	} {
		all = append(all, group...)
	}
	return inOrder(all)
}
