package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Options are what [New] may be told. The zero value, and nil, are good for a
// host with one store.
type Options struct {
	// Default names the store of tenants whose placement names none. Defaults
	// to the only store, and to none if there are several.
	Default string
	// Dedicated finds stores that are not in [Stores], such as the account that
	// one tenant has brought along. What it answers is kept for IdleTimeout, and
	// a bucket that is open stays so; it fails for names it does not know, and is
	// asked again then. Defaults to none.
	Dedicated func(ctx context.Context, name string) (Store, error)
	// MaxOpen is how many buckets are kept open while nobody uses them; more
	// are open while more are in use. Defaults to 256.
	MaxOpen int
	// IdleTimeout closes buckets that nobody used for so long. It is looked at
	// when another bucket is opened or given back. Defaults to 10 minutes.
	IdleTimeout time.Duration

	// Quota says what a tenant may have. It is called for every write, and
	// answers from memory. Defaults to no quota, and nothing is reserved.
	Quota func(tenant.Tenant) Quota
	// Ledger keeps what tenants have, for Quota. Defaults to one in memory, which
	// is exact for one process; see [Ledger].
	Ledger Ledger
	// Meter is told of each request and of all bytes, for bills and graphs. See
	// also [Buckets.Traffic]. Defaults to nobody.
	Meter Meter

	// Sign says which signed URLs there may be. Defaults to GET for 15 minutes
	// at most.
	Sign Sign
	// Accept looks at each file before it is written, copied or restored, and may
	// refuse it, by what the caller says it is and by what it looks like. It must
	// not write files itself. Defaults to all files.
	Accept func(context.Context, Upload) error
	// Inline says which content types browsers may show in place; of all others,
	// files are stored with the Content-Disposition "attachment", so that nobody's
	// upload runs in the name of the host. It is given the type in lower case and
	// without parameters, "image/png"; what is no content type is never shown.
	// Defaults to [Passive].
	Inline func(contentType string) bool

	// Trash is how long deleted and replaced files can be brought back by
	// [Buckets.Restore]. They count for the quota until [Buckets.Sweep] removes
	// them. Defaults to 0: gone at once.
	Trash time.Duration
	// Retain is asked before a file is deleted or replaced, and its error keeps
	// the file. Defaults to nothing.
	Retain func(ctx context.Context, t tenant.Tenant, key string) error

	// Keys are the keys of tenants, under which files are encrypted before they
	// leave this process. Defaults to none: files are stored as they are.
	Keys Keys

	// Clock tells the time. Defaults to time.Now.
	Clock func() time.Time
	// Logger gets what nobody is there to be told: never a key or a content.
	// Defaults to slog.Default.
	Logger *slog.Logger
}

// filled returns o with its defaults, or all that is wrong with it.
func (o *Options) filled(stores Stores) (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.MaxOpen = cmp.Or(f.MaxOpen, 256)
	f.IdleTimeout = cmp.Or(f.IdleTimeout, 10*time.Minute)
	f.Sign = f.Sign.filled()
	if f.Ledger == nil {
		f.Ledger = NewTally()
	}
	if f.Inline == nil {
		f.Inline = Passive
	}
	if f.Clock == nil {
		f.Clock = time.Now
	}
	if f.Logger == nil {
		f.Logger = slog.Default()
	}
	if names := slices.Collect(maps.Keys(stores)); f.Default == "" && len(names) == 1 {
		f.Default = names[0]
	}
	return f, errors.Join(f.validate(stores), stores.validate())
}

func (o *Options) validate(stores Stores) error {
	var errs []error
	if _, ok := stores[o.Default]; o.Default != "" && !ok && o.Dedicated == nil {
		errs = append(errs, fmt.Errorf("%w: Options.Default is %q", ErrNoStore, o.Default))
	}
	if o.MaxOpen < 0 || o.IdleTimeout < 0 || o.Trash < 0 {
		errs = append(errs, errors.New("storage: Options: MaxOpen, IdleTimeout or Trash is negative"))
	}
	return errors.Join(append(errs, o.Sign.validate())...)
}

// validate names every store that cannot be right, in order.
func (s Stores) validate() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if err := tenant.ValidateName("store", name); err != nil {
			errs = append(errs, fmt.Errorf("storage: %w", err))
		}
		if s[name].Account == nil {
			errs = append(errs, fmt.Errorf("storage: store %q has no Account", name))
		}
	}
	return errors.Join(errs...)
}
