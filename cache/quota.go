package cache

import (
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/partywall/partywall/tenant"
)

// Quota bounds what one tenant may take. Zero is no bound.
type Quota struct {
	// Keys and Bytes bound what the tenant has on its server. They go by the
	// last [Client.Measure], and by what this process has written since.
	// Commands that may need memory are then refused; those that free it are
	// not.
	Keys, Bytes int64
	// Value bounds the bytes of a single command that writes.
	Value int64
	// Rate bounds the commands of a second in this process, in bursts of a
	// second's worth.
	Rate int64
}

// usage is what a tenant has, as far as is known here.
type usage struct {
	mu       sync.Mutex
	keys     int64
	bytes    int64
	measured string // which measurement it was
	written  int64  // bytes since, by this process
	limiter  *rate.Limiter
}

// heard takes in a measurement that renew has read: "keys bytes which".
func (u *usage) heard(text string) {
	var keys, bytes int64
	which, ok := scanUsage(text, &keys, &bytes)
	u.mu.Lock()
	defer u.mu.Unlock()
	if ok && which != u.measured {
		u.keys, u.bytes, u.measured, u.written = keys, bytes, which, 0
	}
}

// admit fails for a command that takes the tenant over its quota.
func (w *work) admit(cmd redis.Cmder, c *command) error {
	if w.opts.Quota == nil {
		return nil
	}
	q := w.opts.Quota(w.tenant)
	what, limit := w.home.usage.over(q, c, cmd.Args(), w.opts.Clock())
	if what == "" {
		return nil
	}
	return overQuota(w.tenant, what, limit)
}

func overQuota(t tenant.Tenant, what string, limit int64) error {
	return &QuotaError{ID: t.ID, Slug: t.Slug, What: what, Limit: limit}
}

// over returns the quota that a command goes over, "" for none.
func (u *usage) over(q Quota, c *command, args []any, now time.Time) (what string, limit int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if q.Rate > 0 {
		if u.limiter == nil || int64(u.limiter.Burst()) != q.Rate {
			u.limiter = rate.NewLimiter(rate.Limit(q.Rate), int(q.Rate))
		}
		if !u.limiter.AllowN(now, 1) {
			return "rate", q.Rate
		}
	}
	if !c.writes {
		return "", 0
	}
	size := sizeOf(args)
	if q.Value > 0 && size > q.Value {
		return "value", q.Value
	}
	if !c.grows {
		return "", 0
	}
	switch {
	case q.Bytes > 0 && u.bytes+u.written+size > q.Bytes:
		return "bytes", q.Bytes
	case q.Keys > 0 && u.keys >= q.Keys:
		return "keys", q.Keys
	}
	u.written += size
	return "", 0
}

// sizeOf returns about how many bytes arguments are.
func sizeOf(args []any) (n int64) {
	for _, arg := range args {
		switch v := arg.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		case *string:
			if v != nil {
				n += int64(len(*v))
			}
		default:
			n += 8
		}
	}
	return n
}

// scanUsage reads what Measure has written.
func scanUsage(text string, keys, bytes *int64) (which string, ok bool) {
	fields := splitThree(text)
	if fields == nil {
		return "", false
	}
	var errs [2]error
	*keys, errs[0] = strconv.ParseInt(fields[0], 10, 64)
	*bytes, errs[1] = strconv.ParseInt(fields[1], 10, 64)
	return fields[2], errs[0] == nil && errs[1] == nil
}
