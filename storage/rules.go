package storage

import (
	"context"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob/driver"

	"github.com/partywall/partywall/tenant"
)

// rules are what the wall is made of. There is one set of them; they are in
// one place so that tests can take one away and see that it is missed.
type rules struct {
	// key and prefix say what may name a file, and begin a listing.
	key, prefix func(string) error
	// root is the prefix of all that a tenant has.
	root func(tenant.Tenant) string
	// same says whether a context's tenant may use a bucket of another.
	same func(opened, named tenant.ID) bool
	// writable says whether a tenant's status lets write.
	writable func(context.Context, tenant.Tenant) bool
	// within says whether a store may hold the files of a tenant's region.
	within func(store, wanted tenant.Region) bool
	// callback runs a callback of the caller's.
	callback func(fn func(func(any) bool) error) error
	// sign says whether there may be a signed URL, and for how long.
	sign func(*Buckets, *home, *driver.SignedURLOptions) (time.Duration, error)
	// mine takes the tenant's part out of a name that a store has listed.
	mine func(name, area string) (key string, ok bool)
	// bind is what the key of an encrypted file is tied to.
	bind func(t tenant.Tenant, key string) string
	// still says whether a write may take place that began before.
	still func(b *Buckets, ctx context.Context, h *home) error
	// inline says whether files of a content type may be shown in place.
	inline func(b *Buckets, contentType string) bool
}

func standing() rules {
	return rules{
		key: CheckKey, prefix: checkPrefix, root: root,
		same:     func(opened, named tenant.ID) bool { return opened == named },
		writable: tenant.MayWrite,
		within:   func(store, wanted tenant.Region) bool { return wanted == "" || store == wanted },
		callback: called,
		sign:     (*Buckets).signable,
		mine:     strings.CutPrefix,
		bind:     bind,
		still:    (*Buckets).still,
		inline:   (*Buckets).inline,
	}
}

// root is the prefix of all that a tenant has in whichever bucket. It is there
// in buckets of a tenant's own too: a bucket that is given to two by mistake
// is no breach then, and a move keeps all names. It ends with a slash, so that
// no number is the beginning of another. Numbers are never used again.
func root(t tenant.Tenant) string { return "tenants/" + strconv.FormatInt(t.Number, 10) + "/" }
