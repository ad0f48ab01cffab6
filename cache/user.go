package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// users are the connections that tenants have of their own on a server, under
// level User.
type users struct {
	server *server
	most   int

	mu sync.Mutex
	of map[int64]*user
}

// user is one tenant's.
type user struct {
	client redis.UniversalClient
	users  *users
	busy   int // guarded by users.mu
	used   time.Time
}

// take returns the connections of h's tenant, with the user made if the server
// does not know it. Whoever takes them leaves them.
func (u *users) take(ctx context.Context, h *home) (*user, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	mine := u.of[h.number]
	if mine == nil {
		if err := u.declare(ctx, h); err != nil {
			return nil, err
		}
		options := *u.server.options
		options.Username, options.Password = userName(h), u.password(h)
		mine = &user{client: redis.NewUniversalClient(&options), users: u}
		u.makeRoom()
		u.of[h.number] = mine
	}
	mine.busy++
	return mine, nil
}

func (u *user) leave() {
	if u == nil {
		return
	}
	u.users.mu.Lock()
	defer u.users.mu.Unlock()
	u.busy--
	u.used = u.users.server.opts.Clock()
}

// again reports whether a command is worth sending again: nothing of it was done,
// because the server had forgotten the tenant's user, as one that was started
// anew has, and knows it now.
func (w *work) again(ctx context.Context, err error) bool {
	forgotten := redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH")
	return forgotten && w.user != nil && w.user.users.declare(ctx, w.home) == nil
}

// makeRoom ends the connections that were idle for longest. Those in use stay,
// be they more than there should be.
func (u *users) makeRoom() {
	for len(u.of) >= u.most {
		var oldest int64
		for number, other := range u.of {
			if other.busy == 0 && (oldest == 0 || other.used.Before(u.of[oldest].used)) {
				oldest = number
			}
		}
		if oldest == 0 {
			return
		}
		_ = u.of[oldest].client.Close() // nobody waits for anything on it
		delete(u.of, oldest)
	}
}

// forget ends a tenant's connections, so that its next command declares its
// user anew.
func (u *users) forget(number int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if mine := u.of[number]; mine != nil && mine.busy == 0 {
		_ = mine.client.Close()
		delete(u.of, number)
	}
}

func (u *users) close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var errs []error
	for _, mine := range u.of {
		errs = append(errs, mine.client.Close())
	}
	return errors.Join(errs...)
}

func userName(h *home) string { return h.owned }

func (u *users) password(h *home) string {
	mac := hmac.New(sha256.New, u.server.opts.Secret)
	mac.Write([]byte("partywall cache user " + userName(h)))
	return hex.EncodeToString(mac.Sum(nil))
}

// declare tells every node of the server of the tenant's user: its keys, its
// channels, and the commands that the wall lets through.
func (u *users) declare(ctx context.Context, h *home) error {
	nodes, err := masters(ctx, u.server.base)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		names, err := node.CommandList(ctx, nil).Result()
		if err != nil {
			return fmt.Errorf("cache: asking for commands: %w", err)
		}
		if err := node.ACLSetUser(ctx, userName(h), u.rules(h, names)...).Err(); err != nil {
			return fmt.Errorf("cache: making the user of a tenant: %w", err)
		}
	}
	return nil
}

// rules are what the tenant's user may do, of what the server knows by name.
func (u *users) rules(h *home, names []string) []string {
	rules := []string{"reset", "on", ">" + u.password(h), "~" + escape(h.owned) + marks, "&" + escape(h.channels()) + "*"}
	allowed := strings.Fields(connecting)
	for name, c := range known() {
		if c.below == nil {
			c.below = map[string]*command{"": c}
		}
		for inner, c := range c.below {
			if c.refused == "" && !c.outside {
				allowed = append(allowed, strings.TrimSuffix(name+"|"+inner, "|"))
			}
		}
	}
	for _, name := range names {
		if slices.Contains(allowed, name) {
			rules = append(rules, "+"+name)
		}
	}
	return rules
}

// connecting is what go-redis says when it connects, what it asks of a cluster,
// and what transactions and subscriptions are made of.
const connecting = `auth hello client|setinfo client|setname command cluster|slots cluster|shards readonly
	multi exec discard watch unwatch
	subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe`

// dismiss ends the tenant's user on every node.
func (u *users) dismiss(ctx context.Context, h *home) error {
	u.forget(h.number)
	nodes, err := masters(ctx, u.server.base)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := node.ACLDelUser(ctx, userName(h)).Err(); err != nil {
			return fmt.Errorf("cache: ending the user of a tenant: %w", err)
		}
	}
	return nil
}

// escape writes a text as a pattern that matches that text alone. What prefixes
// may be made of means nothing in a pattern; this holds should that change.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}
