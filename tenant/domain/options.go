package domain

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/partywall/partywall/internal/hostname"
)

// Options are the settings of a [Catalog]. Edge is required.
type Options struct {
	// Edge is the zone of the targets, such as "edge.myapp.com": every tenant's
	// hosts point at a name of its own below it, all of which lead to where the
	// host serves.
	Edge string
	// Addresses are where the edge is, for those who cannot set a CNAME because
	// their domain is the apex of its zone. Defaults to none: they are told to
	// use ALIAS or ANAME.
	Addresses []netip.Addr
	// Base is the domain whose subdomains are tenants' slugs, such as
	// "myapp.com". Defaults to none.
	Base string
	// Own are labels in front of Base that are the platform's, such as "www".
	Own []string
	// Zones are further zones of the platform's own, in which nobody has a domain.
	Zones []string

	// Prover looks whether claims are proven. Required, unless Workers is -1.
	Prover Prover
	// Publish is told what happens to domains, at least once each. What nobody is
	// told within 30 days is forgotten. Defaults to nobody on this node.
	Publish func(ctx context.Context, e Event) error

	// MaxDomains is how many a tenant may have or claim, and a quarter of how many
	// it may claim in a day. Defaults to 50.
	MaxDomains int
	// MaxClaims is how many tenants may claim one host at once. Defaults to 100:
	// where a few were enough, a few could keep its owner out.
	MaxClaims int
	// ClaimLife is how long a claim waits for its proof. Defaults to 7 days.
	ClaimLife time.Duration
	// Recheck is how often a domain is looked at. Defaults to a day.
	Recheck time.Duration
	// Grace is how long one is served that does not lead here any more. Defaults
	// to 72 hours.
	Grace time.Duration

	// Workers is how many domains a node looks at, at once. Defaults to 8; -1 is
	// for nodes that only serve.
	Workers int
	// Lease is how long a domain stays with a node that is not heard of. Defaults
	// to 15 seconds.
	Lease time.Duration
	// Sweep is how often a node asks what is due, and what has changed if it is
	// not told. Defaults to 2 seconds.
	Sweep time.Duration

	// SkipMigrations makes [Catalog.Open] fail when tables are missing, instead of making
	// them.
	SkipMigrations bool
	// Meter has the instruments of this package. Defaults to none.
	Meter metric.Meter
	// Logger gets what nobody is there to be told. Defaults to slog.Default.
	Logger *slog.Logger
	// Clock is the time by which domains are due. Leases are by the database's
	// clock. Defaults to time.Now.
	Clock func() time.Time
}

func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.MaxDomains = cmp.Or(filled.MaxDomains, 50)
	filled.MaxClaims = cmp.Or(filled.MaxClaims, 100)
	filled.ClaimLife = cmp.Or(filled.ClaimLife, 7*24*time.Hour)
	filled.Recheck = cmp.Or(filled.Recheck, 24*time.Hour)
	filled.Grace = cmp.Or(filled.Grace, 72*time.Hour)
	filled.Workers = cmp.Or(filled.Workers, 8)
	filled.Lease = cmp.Or(filled.Lease, 15*time.Second)
	filled.Sweep = cmp.Or(filled.Sweep, 2*time.Second)
	if filled.Meter == nil {
		filled.Meter = noop.Meter{}
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	if filled.Clock == nil {
		filled.Clock = time.Now
	}
	return filled
}

// validate returns every mistake at once. It brings names to their one spelling.
func (o *Options) validate() error {
	var errs []error
	name := func(field string, value *string) {
		one, err := hostname.Normalize(*value)
		if err != nil || strings.Contains(*value, ":") {
			errs = append(errs, invalid("Options.%s: %q is not a host name", field, *value))
		}
		*value = one
	}
	name("Edge", &o.Edge)
	if o.Base != "" {
		name("Base", &o.Base)
	}
	o.Zones = append([]string(nil), o.Zones...)
	for i := range o.Zones {
		name("Zones", &o.Zones[i])
	}
	for _, label := range o.Own {
		if one, err := hostname.Normalize(label); err != nil || one != label || strings.Contains(label, ".") {
			errs = append(errs, invalid("Options.Own: %q is not one label in lower case", label))
		}
	}
	if o.Prover == nil && o.Workers >= 0 {
		errs = append(errs, invalid("Options.Prover is nil"))
	}
	for field, d := range map[string]time.Duration{
		"ClaimLife": o.ClaimLife, "Recheck": o.Recheck, "Grace": o.Grace, "Lease": o.Lease, "Sweep": o.Sweep,
	} {
		if d < time.Millisecond {
			errs = append(errs, invalid("Options.%s: %s is no time", field, d))
		}
	}
	if o.MaxDomains < 0 || o.MaxClaims < 0 {
		errs = append(errs, invalid("Options: a limit is negative"))
	}
	return errors.Join(errs...)
}

// zones are those in which nobody has a domain of its own.
func (o *Options) zones() []string {
	zones := append([]string{o.Edge}, o.Zones...)
	if o.Base != "" {
		zones = append(zones, o.Base)
	}
	return zones
}
