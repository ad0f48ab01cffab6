package zone_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// memory is a provider that keeps records as they are.
type memory struct {
	mu      sync.Mutex
	records []libdns.RR
	writes  int
	fail    int // the number of the write that fails; 0 is none
}

func (m *memory) GetRecords(context.Context, string) ([]libdns.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []libdns.Record
	for _, rr := range m.records {
		all = append(all, rr)
	}
	return all, nil
}

func (m *memory) SetRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writes++; m.writes == m.fail {
		return nil, errors.New("provider is down")
	}
	m.records = slices.DeleteFunc(m.records, func(old libdns.RR) bool {
		return slices.ContainsFunc(recs, func(r libdns.Record) bool { return r.RR().Name == old.Name && r.RR().Type == old.Type })
	})
	for _, r := range recs {
		m.records = append(m.records, r.RR())
	}
	return recs, nil
}

func (m *memory) DeleteRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writes++; m.writes == m.fail {
		return nil, errors.New("provider is down")
	}
	m.records = slices.DeleteFunc(m.records, func(old libdns.RR) bool {
		return slices.ContainsFunc(recs, func(r libdns.Record) bool {
			return r.RR().Name == old.Name && r.RR().Type == old.Type && r.RR().Data == old.Data && (r.RR().TTL == 0 || r.RR().TTL == old.TTL)
		})
	})
	return recs, nil
}

// lines are the records as text, in order.
func (m *memory) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, rr := range m.records {
		all = append(all, rr.Name+" "+rr.Type+" "+rr.Data)
	}
	slices.Sort(all)
	return all
}

// dynamic is a provider that speaks RFC 2136 and AXFR, with TSIG.
type dynamic struct{ server, key, secret string }

func (d dynamic) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	m.SetTsig(d.key, dns.HmacSHA256, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", TsigSecret: map[string]string{d.key: d.secret}}
	r, _, err := client.ExchangeContext(ctx, m, d.server)
	if err == nil && r.Rcode != dns.RcodeSuccess {
		err = errors.New("server answers " + dns.RcodeToString[r.Rcode])
	}
	return r, err
}

func (d dynamic) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	r, err := d.exchange(ctx, new(dns.Msg).SetAxfr(zone))
	if err != nil {
		return nil, err
	}
	var all []libdns.Record
	for _, rr := range r.Answer[:len(r.Answer)-1] {
		data := strings.TrimPrefix(rr.String(), rr.Header().String())
		if txt, ok := rr.(*dns.TXT); ok {
			data = strings.Join(txt.Txt, "")
		}
		all = append(all, libdns.RR{
			Name: libdns.RelativeName(rr.Header().Name, zone), Type: dns.TypeToString[rr.Header().Rrtype], Data: data,
			TTL: time.Duration(rr.Header().Ttl) * time.Second,
		})
	}
	return all, nil
}

func (d dynamic) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	rrs, err := d.wire(zone, recs)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg).SetUpdate(zone)
	m.RemoveRRset(rrs[:1])
	m.Insert(rrs)
	_, err = d.exchange(ctx, m)
	return recs, err
}

func (d dynamic) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	rrs, err := d.wire(zone, recs)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg).SetUpdate(zone)
	m.Remove(rrs)
	_, err = d.exchange(ctx, m)
	return recs, err
}

func (d dynamic) wire(zone string, recs []libdns.Record) ([]dns.RR, error) {
	var all []dns.RR
	for _, r := range recs {
		rr := r.RR()
		switch rr.Type {
		case "TXT":
			rr.Data = `"` + rr.Data + `"`
		case "CNAME":
			rr.Data = dns.Fqdn(rr.Data)
		}
		one, err := dns.NewRR(libdns.AbsoluteName(rr.Name, zone) + " 60 IN " + rr.Type + " " + rr.Data)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
