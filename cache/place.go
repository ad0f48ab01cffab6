package cache

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/partywall/partywall/tenant"
)

// Level is how a tenant is set apart on its server. In all of them keys begin
// with what only that tenant's keys begin with; the others add to it.
type Level string

// The levels.
const (
	// Prefix is that alone.
	Prefix Level = "prefix"
	// Namespace puts a generation into the prefix, so that all that a tenant
	// has is forgotten with one command; see [Client.Purge]. It is asked for
	// once per Options.GenerationTTL, tenant and process.
	Namespace Level = "namespace"
	// Database gives the tenant one of the numbered databases, which a cluster
	// has not.
	Database Level = "database"
	// User has the server enforce it: the tenant's commands come by a user of
	// its own, whom Redis lets at the tenant's keys and channels only. It costs
	// the tenant connections of its own.
	User Level = "user"
)

// place is where a tenant's values are.
type place struct {
	server   string
	level    Level
	database int
}

// parsePlace reads what [tenant.Placement].Cache says: "server/level", such as
// "eu-1/namespace" or "eu-1/database=5". Without a level it is Namespace;
// without anything, fallback.
func parsePlace(text, fallback string) (place, error) {
	if text == "" {
		text = fallback
	}
	server, level, _ := strings.Cut(text, "/")
	level, number, numbered := strings.Cut(level, "=")
	p := place{server: server, level: Level(level)}
	switch p.level {
	case "":
		p.level = Namespace
	case Prefix, Namespace, User:
	case Database:
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || !numbered {
			return p, fmt.Errorf("%w: %.80q names no database by number", ErrPlacement, text)
		}
		p.database = n
		return p, nil
	default:
		return p, fmt.Errorf("%w: %.80q is at no level that there is", ErrPlacement, text)
	}
	if numbered {
		return p, fmt.Errorf("%w: %.80q has a number, which is for databases", ErrPlacement, text)
	}
	return p, nil
}

// owned is what all keys of a tenant begin with, at any level; behind it comes
// a mark that tells t1 from t10.
func (o *Options) owned(t int64) string {
	if o.HashTags {
		return o.Prefix + "{t" + strconv.FormatInt(t, 10) + "}"
	}
	return o.Prefix + "t" + strconv.FormatInt(t, 10)
}

// The marks behind [Options.owned].
const (
	markPlain      = ":"
	markGeneration = "."
	markOwn        = "!" // what we keep about the tenant ourselves
	marks          = "[" + markPlain + markGeneration + "]*"
)

func placeError(err error, t tenant.Tenant) error {
	return fmt.Errorf("%w (tenant %s, %s)", err, t.ID, t.Slug)
}
