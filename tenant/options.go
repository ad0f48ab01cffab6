package tenant

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options are the settings of a [Registry]. The zero value, and nil, are good
// for production.
type Options struct {
	// ReservedSlugs are slugs that no new tenant gets, besides those of the
	// function [ReservedSlugs].
	ReservedSlugs []string
	// PollInterval is how often the catalog is asked for changes even without
	// word of one. Defaults to 5 seconds.
	PollInterval time.Duration
	// MaxStale is how long tenants are served from memory after the catalog
	// was last reached; -1 means for ever. It is longer than PollInterval and
	// Timeout together. Defaults to 15 minutes.
	MaxStale time.Duration
	// MissTTL is for how long the catalog's word that there is no such tenant
	// is believed, of whatever name. However many unknown names are asked for,
	// the catalog is asked at most once in this time. Defaults to 250
	// milliseconds.
	MissTTL time.Duration
	// Timeout is how long a background question to the catalog may wait for
	// the next piece of its answer, and any question for the envelope keys.
	// Defaults to 10 seconds.
	Timeout time.Duration
	// EnvelopeKeys sign and verify envelopes. Defaults to those of the Store,
	// if it is a [KeySource].
	EnvelopeKeys *Keyring
	// EnvelopeMaxAge is how old an envelope may be. Defaults to 7 days.
	EnvelopeMaxAge time.Duration
	// Clock tells the time for IDs, envelopes, deadlines of deletion and the
	// age of what is remembered; it does not drive timers. Defaults to
	// time.Now.
	Clock func() time.Time
	// Logger gets what happens in the background: never a name of a tenant's
	// beyond its slug. Defaults to slog.Default.
	Logger *slog.Logger
}

// filled returns o with its defaults, or all that is wrong with it.
func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.PollInterval = cmp.Or(f.PollInterval, 5*time.Second)
	f.MaxStale = cmp.Or(f.MaxStale, 15*time.Minute)
	f.MissTTL = cmp.Or(f.MissTTL, 250*time.Millisecond)
	f.Timeout = cmp.Or(f.Timeout, 10*time.Second)
	f.EnvelopeMaxAge = cmp.Or(f.EnvelopeMaxAge, 7*24*time.Hour)
	if f.Clock == nil {
		f.Clock = time.Now
	}
	if f.Logger == nil {
		f.Logger = slog.Default()
	}
	f.ReservedSlugs = append(slices.Clone(f.ReservedSlugs), ReservedSlugs()...)
	return f, f.validate()
}

func (o *Options) validate() error {
	var errs []error
	wrong := func(field, rule string) {
		errs = append(errs, fmt.Errorf("%w: Options.%s %s", ErrInvalid, field, rule))
	}
	if o.MaxStale < 0 && o.MaxStale != -1 {
		wrong("MaxStale", "is below zero and not -1")
	}
	if o.MaxStale > 0 && o.MaxStale <= o.PollInterval+o.Timeout {
		wrong("MaxStale", "is not longer than PollInterval and Timeout together")
	}
	for _, of := range []struct {
		field string
		d     time.Duration
	}{
		{"PollInterval", o.PollInterval}, {"MissTTL", o.MissTTL}, {"Timeout", o.Timeout}, {"EnvelopeMaxAge", o.EnvelopeMaxAge},
	} {
		if of.d < 0 {
			wrong(of.field, "is below zero")
		}
	}
	for _, slug := range o.ReservedSlugs {
		if err := ValidateSlug(slug); err != nil {
			errs = append(errs, fmt.Errorf("Options.ReservedSlugs: %w", err))
		}
	}
	return errors.Join(errs...)
}
