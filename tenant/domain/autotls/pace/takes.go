package pace

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// orderTakes is what an order costs.
//
// Let's Encrypt looks at certificates per registered domain and per set of names
// when an order comes, and counts them when they are issued (its server,
// Boulder, ratelimits/transaction.go). Here they are taken when they are ordered,
// since orders of several nodes are under way at once, and given back by
// [Budget.Unissued].
func (b *Budget) orderTakes(order Order) ([]Take, error) {
	hosts, err := b.hosts(order)
	if err != nil {
		return nil, err
	}
	takes := []Take{b.keep(order, b.bucket(LimitRequests, b.limits.Requests, ""))}
	// A renewal by ARI is exempt from this one too, but counted. It is held to it
	// nonetheless: an authority whose windows have always passed, by mistake, would
	// have us renew without end.
	takes = append(takes, b.duplicate(hosts))
	if order.Renews {
		return takes, nil
	}
	for _, host := range hosts {
		failures, err := b.failureTakes(order.Account, host)
		if err != nil {
			return nil, err
		}
		takes = append(takes, failures...)
	}
	if order.Repeats {
		return takes, nil
	}
	takes = append(takes, b.keep(order, b.bucket(LimitOrders, b.limits.Orders, order.Account)))
	for _, take := range b.certificates(hosts) {
		takes = append(takes, b.keep(order, take))
	}
	return takes, nil
}

// unissuedTakes gives back what an order has cost that counts when a
// certificate is issued.
func (b *Budget) unissuedTakes(order Order) ([]Take, error) {
	hosts, err := b.hosts(order)
	if err != nil {
		return nil, err
	}
	takes := []Take{b.duplicate(hosts)}
	if !order.Renews && !order.Repeats {
		takes = append(takes, b.certificates(hosts)...)
	}
	for i := range takes {
		takes[i].N = -1
	}
	return takes, nil
}

// duplicate is one more certificate for the same names.
func (b *Budget) duplicate(hosts []string) Take {
	set := sha256.Sum256([]byte(strings.Join(hosts, ",")))
	return b.bucket(LimitDuplicates, b.limits.Duplicates, hex.EncodeToString(set[:]))
}

// certificates are one more certificate for each registered domain.
func (b *Budget) certificates(hosts []string) (takes []Take) {
	for _, host := range hosts {
		domain, err := b.registrable(bare(host))
		if err != nil {
			domain = bare(host) // a public suffix of its own
		}
		takes = append(takes, b.bucket(LimitCertificates, b.limits.Certificates, domain))
	}
	return takes
}

// hosts are the names of an order: in small letters, sorted, each once.
func (b *Budget) hosts(order Order) ([]string, error) {
	if !printable(order.Account) || len(order.Account) > 512 {
		return nil, fmt.Errorf("%w: account %.80q", ErrOrder, order.Account)
	}
	if order.Class < Waiting || order.Class > Backlog {
		return nil, fmt.Errorf("%w: %v", ErrOrder, order.Class)
	}
	if n := len(order.Hosts); n == 0 || n > b.limits.Names {
		return nil, fmt.Errorf("%w: %d names, of 1 to %d", ErrOrder, n, b.limits.Names)
	}
	hosts := make([]string, len(order.Hosts))
	for i, host := range order.Hosts {
		if hosts[i] = strings.ToLower(host); !plausible(bare(hosts[i])) {
			return nil, fmt.Errorf("%w: name %.80q", ErrOrder, host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// plausible reports whether a name can be part of a key: it is a DNS name's
// letters, in ASCII, and no longer than one. That it is a host, others know.
func plausible(host string) bool {
	return host != "" && len(host) <= 255 && printable(host) && !strings.ContainsAny(host, "/,")
}

// printable reports whether all of the text is printable ASCII, without spaces.
func printable(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// bare is the name that is authorized for a wildcard.
func bare(host string) string { return strings.TrimPrefix(host, "*.") }

// failureTakes look whether the host may fail once more.
func (b *Budget) failureTakes(account, host string) ([]Take, error) {
	host = bare(strings.ToLower(host))
	if !plausible(host) || !printable(account) || len(account) > 512 {
		return nil, fmt.Errorf("%w: name %.80q, account %.80q", ErrOrder, host, account)
	}
	takes := []Take{
		b.bucket(LimitFailures, b.limits.Failures, host+"/"+account),
		b.bucket(LimitConsecutive, b.limits.Consecutive, host+"/"+account),
	}
	for i := range takes {
		takes[i].N, takes[i].Keep = 0, 1
	}
	return takes, nil
}

// bucket takes one token.
func (b *Budget) bucket(limit Limit, rate Rate, of string) Take {
	return Take{Key: b.authority + "/" + string(limit) + "/" + of, Limit: limit, Rate: rate, N: 1}
}

// keep leaves the reserve to those who wait, and each class one reserve more
// than the class before it.
func (b *Budget) keep(order Order, take Take) Take {
	take.Keep = int(order.Class) * int(float64(take.Rate.Burst)*b.reserve)
	return take
}

// sorted drops what is unlimited, and what names the same bucket again: two
// names under one registered domain are one certificate of it.
func sorted(takes []Take) []Take {
	takes = slices.DeleteFunc(takes, func(t Take) bool { return t.Rate.unlimited() })
	slices.SortFunc(takes, func(a, b Take) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(takes, func(a, b Take) bool { return a.Key == b.Key })
}
