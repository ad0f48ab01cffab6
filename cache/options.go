package cache

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// Servers are the host's Redis servers by name, as placements name them: single
// ones, behind sentinels, or clusters.
type Servers map[string]*redis.UniversalOptions

// Options are what [New] may be told. The zero value, and nil, are good for
// production with one server.
type Options struct {
	// Default is where tenants are whose placement does not say, in the words
	// of [tenant.Placement].Cache: "server/level". Defaults to the only server,
	// at level Namespace.
	Default string
	// Prefix begins all keys and channels, for servers that others use too. It
	// may hold letters, digits, "-", "_" and ":". Defaults to "pw:".
	Prefix string
	// HashTags puts all keys of a tenant into one slot of a cluster, so that
	// its commands may take several keys, and its scripts, transactions and
	// SCAN work. One node then holds all of the tenant. Of no effect elsewhere.
	HashTags bool
	// GenerationTTL is for how long a process believes a tenant's generation:
	// a purge is seen everywhere after it. Defaults to 1 second.
	GenerationTTL time.Duration
	// Secret makes the passwords of users under level User. 16 bytes or more,
	// the same in all processes. Defaults to none, and the level is refused.
	Secret []byte
	// Users is how many tenants have connections of their own at once under
	// level User; idle ones give way. Defaults to 256.
	Users int
	// Quota says what a tenant may take. It is called often, and answers from
	// memory. Defaults to no quota.
	Quota func(tenant.Tenant) Quota
	// Codec turns values of [Get], [Set] and [GetOrLoad] into bytes and back.
	// Defaults to JSON.
	Codec Codec
	// Clock tells the time. It does not drive timers. Defaults to time.Now.
	Clock func() time.Time
	// Logger gets what happens in the background: never a key or a value.
	// Defaults to slog.Default.
	Logger *slog.Logger
}

// filled returns o with its defaults, or all that is wrong with it.
func (o *Options) filled(servers Servers) (*Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Prefix = cmp.Or(f.Prefix, "pw:")
	f.GenerationTTL = cmp.Or(f.GenerationTTL, time.Second)
	f.Users = cmp.Or(f.Users, 256)
	if f.Codec == nil {
		f.Codec = jsonCodec{}
	}
	if f.Clock == nil {
		f.Clock = time.Now
	}
	if f.Logger == nil {
		f.Logger = slog.Default()
	}
	if f.Default == "" && len(servers) == 1 {
		for name := range servers {
			f.Default = name
		}
	}
	return &f, f.validate(servers)
}

func (o *Options) validate(servers Servers) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("cache: "+format, args...)) }
	if len(servers) == 0 {
		wrong("no servers")
	}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if name == "" || strings.Contains(name, "/") {
			wrong("%q cannot name a server", name)
		}
		if servers[name] == nil {
			wrong("server %q has no options", name)
		}
	}
	if p, err := parsePlace(o.Default, ""); err != nil {
		errs = append(errs, fmt.Errorf("cache: Options.Default: %w", err))
	} else if servers[p.server] == nil {
		wrong("Options.Default: there is no server %q", p.server)
	}
	if strings.Trim(o.Prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:") != "" {
		wrong("Options.Prefix: %q has a character that may mean something in a pattern", o.Prefix)
	}
	if n := len(o.Secret); n > 0 && n < 16 {
		wrong("Options.Secret: %d bytes are too few", n)
	}
	if o.GenerationTTL < 0 || o.Users < 0 {
		wrong("Options: a negative number")
	}
	return errors.Join(errs...)
}
