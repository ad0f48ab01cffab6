package signup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// Options are the settings of a [Handler]. The zero value, and nil, are good
// for production, for a host with one plan.
type Options struct {
	// Prefix is the path at which the handler is reached, without a slash at its
	// end. Defaults to "/signup".
	Prefix string
	// Plans are those that anybody may choose, in the order in which they are
	// offered. Defaults to none: there is no choice, and the tenant has no plan.
	Plans []Plan
	// Spec makes of a wish the tenant that it gets. An error that matches
	// [tenant.ErrInvalid] is told to whoever wishes; any other is not, and is the
	// host's. Defaults to slug, name, and a plan among Plans.
	Spec func(ctx context.Context, f Form) (tenant.Spec, error)
	// Every and Burst bound how often one client may ask for a tenant: Burst
	// times, and once more Every so long. They default to 10 seconds and 5.
	Every time.Duration
	Burst int
	// TotalEvery and TotalBurst bound all clients together, who may have many
	// addresses. They default to 100 milliseconds and 50.
	TotalEvery time.Duration
	TotalBurst int
	// Client says whose request it is, for Every and Burst. A host behind a proxy
	// reads the proxy's header here, if it is the proxy that sent it. Defaults to
	// the address of the connection, or for IPv6 its network of 64 bits.
	Client func(r *http.Request) string
	// TrustedOrigins are other origins whose pages may post the form, such as
	// "https://www.example.com". Defaults to none.
	TrustedOrigins []string
	// Steps are the steps that are shown from the beginning, in their order. Those
	// that occur besides are shown below. Defaults to those that all tenants have.
	Steps []Step
	// Location is where the tenant with this slug is found, to be shown when it is
	// made. Defaults to nowhere.
	Location func(slug string) string
	// Message is what the public reads of an event besides its type and step; an
	// event's own message may hold what is not meant for it. Defaults to nothing.
	Message func(e provisioning.Event) string
	// Page shows a [View]. Defaults to a page without a script but its own.
	Page *template.Template
	// Policy is the Content-Security-Policy of pages. Defaults to one that lets
	// a page load what this handler serves.
	Policy string
	// Followers bounds how many follow operations live at the same time, for each
	// of whom the catalog is asked twice a second, and OperationFollowers how many
	// follow one. They default to 100 and 8.
	Followers, OperationFollowers int
	// Heartbeat is how often who follows hears something though nothing happens.
	// Defaults to 15 seconds.
	Heartbeat time.Duration
	// WriteTimeout is how long a follower may take to read what it is sent,
	// whatever the server's own limit is. Defaults to 10 seconds.
	WriteTimeout time.Duration
	// Logger gets the errors that the public is not told. Defaults to slog.Default.
	Logger *slog.Logger
}

// Plan is a plan that anybody may choose.
type Plan struct {
	Name tenant.Plan
	// Title is for people. Defaults to Name.
	Title string
}

// Step is a step of the operation "provision", by the name that it has there.
type Step struct {
	Name string
	// Title is for people. Defaults to Name.
	Title string
}

// defaultSteps are the steps that every tenant has.
func defaultSteps() []Step {
	return []Step{
		{"tenant", "Account"}, {"database", "Database"}, {"domain", "Address"}, {"certificate", "Secure connection"},
		{"seed", "First data"}, {"verify", "Last checks"}, {"activate", "Opening"},
	}
}

// defaultPolicy lets a page load nothing but what comes from here.
const defaultPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// withDefaults returns a copy of o with the defaults filled in.
func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.Prefix = cmp.Or(filled.Prefix, "/signup")
	filled.Every, filled.Burst = cmp.Or(filled.Every, 10*time.Second), cmp.Or(filled.Burst, 5)
	filled.TotalEvery, filled.TotalBurst = cmp.Or(filled.TotalEvery, 100*time.Millisecond), cmp.Or(filled.TotalBurst, 50)
	filled.Policy = cmp.Or(filled.Policy, defaultPolicy)
	filled.Followers, filled.OperationFollowers = cmp.Or(filled.Followers, 100), cmp.Or(filled.OperationFollowers, 8)
	filled.Heartbeat, filled.WriteTimeout = cmp.Or(filled.Heartbeat, 15*time.Second), cmp.Or(filled.WriteTimeout, 10*time.Second)
	if filled.Spec == nil {
		filled.Spec = planned(filled.Plans)
	}
	if filled.Client == nil {
		filled.Client = address
	}
	if filled.Steps == nil {
		filled.Steps = defaultSteps()
	}
	if filled.Location == nil {
		filled.Location = func(string) string { return "" }
	}
	if filled.Message == nil {
		filled.Message = func(provisioning.Event) string { return "" }
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	return filled
}

// validate returns every mistake at once.
func (o *Options) validate() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf("signup: invalid: "+format, args...))
		}
	}
	wrong(!strings.HasPrefix(o.Prefix, "/") || o.Prefix == "/" || path.Clean(o.Prefix) != o.Prefix || strings.ContainsAny(o.Prefix, "{}?#%"),
		"Options.Prefix %q is not a path such as /signup", o.Prefix)
	for _, p := range o.Plans {
		if err := tenant.ValidateName("plan", string(p.Name)); err != nil {
			errs = append(errs, fmt.Errorf("signup: invalid: Options.Plans: %w", err))
		}
	}
	wrong(o.Every < 0 || o.Burst < 0 || o.TotalEvery < 0 || o.TotalBurst < 0 || o.Followers < 0 || o.OperationFollowers < 0 ||
		o.Heartbeat < 0 || o.WriteTimeout < 0, "a limit is negative")
	return errors.Join(errs...)
}

// planned is what [Options.Spec] is by default.
func planned(open []Plan) func(context.Context, Form) (tenant.Spec, error) {
	return func(_ context.Context, f Form) (tenant.Spec, error) {
		spec := tenant.Spec{Slug: f.Slug, Name: f.Name, Plan: tenant.Plan(f.Plan)}
		if f.Plan == "" && len(open) == 0 {
			return spec, nil
		}
		for _, p := range open {
			if p.Name == spec.Plan {
				return spec, nil
			}
		}
		return spec, &tenant.InvalidError{Field: "plan", Rule: "is not one that can be chosen"}
	}
}
