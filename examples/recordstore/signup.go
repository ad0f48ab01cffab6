package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
)

// signUp is the page by which new stores join the chain.
func (p *program) signUp(s *site) (*signup.Handler, error) {
	return signup.New(s.chain.Engine, &signup.Options{
		Prefix: web.PathSignUp,
		Plans: []signup.Plan{
			{Name: chain.Terraced, Title: "Terraced: tables shared with the neighbours"},
			{Name: chain.SemiDetached, Title: "Semi-detached: a schema of its own"},
			{Name: chain.Detached, Title: "Detached: a database of its own"},
		},
		Steps: []signup.Step{
			{Name: "tenant", Title: "A place in the chain"}, {Name: "database", Title: "Tables"}, {Name: "domain", Title: "Address"},
			{Name: "certificate", Title: "Secure connection"}, {Name: "storage", Title: "Files"}, {Name: "cache", Title: "Cache"},
			{Name: "seed", Title: "First sale"}, {Name: "verify", Title: "Is the wall standing?"}, {Name: "activate", Title: "Opening"},
		},
		Location: s.address,
		Logger:   p.log,
	})
}

// newcomers are the stores that open with the program, one of each plan.
func newcomers() []tenant.Spec {
	return []tenant.Spec{
		{Slug: "flip-side", Name: "Flip Side", Plan: chain.Terraced},
		{Slug: "blue-note", Name: "Blue Note", Plan: chain.SemiDetached},
		{Slug: "deep-cuts", Name: "Deep Cuts", Plan: chain.Detached},
	}
}

// open has the newcomers made, and prints how long each step took.
func (s *site) open(ctx context.Context, out io.Writer) error {
	if _, err := fmt.Fprintln(out, "\nNew stores:"); err != nil {
		return err
	}
	for _, spec := range newcomers() {
		op, err := s.chain.Engine.Provision(ctx, spec, nil)
		if err != nil {
			return err
		}
		steps, err := timed(ctx, op)
		if err != nil {
			return err
		}
		born, err := op.Wait(ctx)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "  %s (%s): %s\n", spec.Slug, born.Placement.Strategy, steps); err != nil {
			return err
		}
	}
	return nil
}

// timed follows an operation to its end, and says how long its steps took.
// Those of one stage happen at the same time.
func timed(ctx context.Context, op provisioning.Handle[provisioning.Born]) (string, error) {
	began := map[string]time.Time{} // the operation itself is the step without a name
	var text strings.Builder
	for e, err := range op.Events(ctx) {
		if err != nil {
			return "", err
		}
		switch e.Type {
		case provisioning.Requested, provisioning.StepBegun:
			began[e.Step] = e.At
		case provisioning.StepDone:
			fmt.Fprintf(&text, "%s %d ms, ", e.Step, e.At.Sub(began[e.Step]).Milliseconds())
		case provisioning.EventType(provisioning.Succeeded):
			fmt.Fprintf(&text, "active after %d ms", e.At.Sub(began[""]).Milliseconds())
		}
	}
	return text.String(), nil
}
