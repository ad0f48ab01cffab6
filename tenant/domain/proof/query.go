package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// udpSize avoids fragments, which can be forged (DNS flag day 2020).
	udpSize = 1232
	// maxRecords is how many records an answer may have to be read at all.
	maxRecords = 100
	// maxChain is how many aliases are followed.
	maxChain = 8
)

// errAnswer is returned for an answer that is none to the question.
var errAnswer = errors.New("proof: DNS answer does not fit the question")

// rcodeError is the failure that a DNS server reports.
type rcodeError int

// Error implements error.
func (e rcodeError) Error() string {
	return "proof: DNS server answers " + dns.RcodeToString[int(e)]
}

// ask puts one question to one server, over UDP and, if that does not hold the
// answer, TCP. Each question has a number and a port of its own, both random.
// That a name does not exist is an answer, not an error.
func (p *Prover) ask(ctx context.Context, server, name string, kind uint16, recurse bool) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	q.RecursionDesired = recurse
	q.SetEdns0(udpSize, false)
	r, err := p.exchange(ctx, "udp", server, q)
	if err != nil && ctx.Err() == nil {
		q.Id = dns.Id()
		r, err = p.exchange(ctx, "udp", server, q)
	}
	if err == nil && r.Truncated {
		q.Id = dns.Id()
		r, err = p.exchange(ctx, "tcp", server, q)
	}
	switch {
	case err != nil:
		return nil, err
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return nil, rcodeError(r.Rcode)
	case r.Truncated || len(r.Answer) > maxRecords:
		return nil, fmt.Errorf("%w: too many records", errAnswer)
	case !recurse && !r.Authoritative:
		return nil, fmt.Errorf("%w: without authority", errAnswer)
	}
	return r, nil
}

func (p *Prover) exchange(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, err := p.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all is read
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // one that is closed needs none
	defer stop()
	client := &dns.Client{Net: network, Timeout: p.timeout, UDPSize: udpSize}
	r, _, err := client.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn, UDPSize: udpSize})
	if err != nil {
		return nil, err
	}
	if !r.Response || r.Id != q.Id || len(r.Question) != 1 || !strings.EqualFold(r.Question[0].Name, q.Question[0].Name) ||
		r.Question[0].Qtype != q.Question[0].Qtype || r.Question[0].Qclass != dns.ClassINET {
		return nil, errAnswer
	}
	return r, nil
}

// answer is what one server has said.
type answer struct {
	server string
	msg    *dns.Msg
	err    error
}

// askAll puts one question to several resolvers at once, and returns the answers in
// the order of the servers.
func (p *Prover) askAll(ctx context.Context, servers []string, name string, kind uint16) []answer {
	answers := make([]answer, len(servers))
	var all sync.WaitGroup
	for i, server := range servers {
		all.Go(func() {
			msg, err := p.ask(ctx, server, name, kind, true)
			answers[i] = answer{server, msg, err}
		})
	}
	all.Wait()
	return answers
}

// chain follows the aliases in an answer, from a name on, and returns all names.
// Records of other names are none of the question's.
func chain(r *dns.Msg, name string) []string {
	names := []string{strings.ToLower(dns.Fqdn(name))}
	for range maxChain {
		next := ""
		for _, rr := range r.Answer {
			if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, names[len(names)-1]) {
				next = strings.ToLower(c.Target)
			}
		}
		if next == "" {
			break
		}
		names = append(names, next)
	}
	return names
}

// records are those of a kind in an answer that belong to the last of the names.
func records[T dns.RR](r *dns.Msg, names []string) []T {
	var all []T
	for _, rr := range r.Answer {
		if one, ok := rr.(T); ok && strings.EqualFold(rr.Header().Name, names[len(names)-1]) {
			all = append(all, one)
		}
	}
	return all
}
