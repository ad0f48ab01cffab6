package isolationtest

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// call is a function as a deed.
type call struct{ Function }

func (c call) String() string                        { return c.Name }
func (c call) reads() bool                           { return !c.Writes }
func (c call) parameters(map[string]string) []string { return c.Parameters }
func (c call) disguises(*Tenant) []disguise          { return nil }

func (c call) missing(t *Tenant) error {
	var errs []error
	for _, name := range c.Parameters {
		if t.IDs[name] == "" {
			errs = append(errs, fmt.Errorf("tenant %s has no value for %q of %s: set Tenant.IDs[%[2]q]", t.Name, name, c.Name))
		}
	}
	return errors.Join(errs...)
}

func (c call) do(ctx context.Context, h *Host, as *Tenant, ids map[string]string, _ disguise) (a answer, err error) {
	ctx, cancel := context.WithTimeout(as.In(ctx), h.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			a = answer{status: "panic", places: []place{{inPanic, fmt.Sprint(p)}}}
		}
	}()
	result, failed := c.Call(ctx, ids)
	if failed != nil {
		return answer{status: "error", places: []place{{inError, failed.Error()}}}, nil
	}
	a = answer{ok: true, status: "ok"}
	if r, ok := result.(io.Reader); ok {
		text, _ := io.ReadAll(io.LimitReader(r, maxUnpacked)) // what can be read is looked at
		result = text
	}
	for _, text := range texts(result) {
		a.places = append(a.places, place{inBody, text})
	}
	return a, nil
}
