package zone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libdns/libdns"

	"github.com/partywall/partywall/internal/hostname"
)

// Provider is what a DNS provider has to be able to do. Most packages of
// github.com/libdns can.
type Provider interface {
	libdns.RecordGetter
	libdns.RecordSetter
	libdns.RecordDeleter
}

// ErrStale is returned for a plan that the zone has changed since.
var ErrStale = errors.New("zone: the zone has changed since the plan was made")

// Zone is one DNS zone of the platform's. It is as safe for concurrent use as its
// provider; two that apply plans for one owner at once may undo each other's work,
// so apply from one place.
type Zone struct {
	provider Provider
	name     string
	owner    string
}

// New returns a Zone. The name is the zone's own, such as "myapp.com"; the owner
// tells installations apart that share a zone, and must not change: [a-z0-9-], at
// most 63 characters. It asks the provider nothing yet.
func New(provider Provider, name, owner string) (*Zone, error) {
	var all []error
	if provider == nil {
		all = append(all, errors.New("zone: a provider is needed"))
	}
	if one, err := hostname.Normalize(name); err != nil || one != name {
		all = append(all, fmt.Errorf("zone: name is not in its one spelling: %w", errors.Join(err, hostname.ErrMalformed)))
	}
	if owner == "" || len(owner) > 63 || strings.Trim(owner, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		all = append(all, errors.New("zone: owner has other characters than a-z, 0-9 and hyphens, or too many"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return &Zone{provider: provider, name: name, owner: owner}, nil
}

// Plan compares what should be with what there is. It changes nothing. All sets
// that carry the owner's mark and are not wanted go.
func (z *Zone) Plan(ctx context.Context, want []Set) (*Plan, error) {
	sets := make([]Set, 0, len(want))
	seen, aliases, all := map[key]bool{}, map[string]string{}, []error(nil)
	if len(want) > maxSets {
		return nil, errors.New("zone: more sets than a platform needs")
	}
	for _, s := range want {
		s = s.normal()
		all = append(all, s.check(z.name))
		other, named := aliases[s.Name]
		if seen[s.key()] || named && (other == "CNAME" || s.Type == "CNAME") {
			all = append(all, fmt.Errorf("zone: %s %s is there twice, or beside a CNAME", s.Name, s.Type))
		}
		seen[s.key()], aliases[s.Name] = true, s.Type
		sets = append(sets, s)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	have, err := z.read(ctx)
	if err != nil {
		return nil, err
	}
	return plan(z.name, sets, have), nil
}

// Apply does what a plan says. It looks at the zone again first, and fails with
// [ErrStale] if that would give another plan, and with a [ConflictError] if
// something is in the way: then nothing is changed. An error later on leaves a part
// done; plan again and go on.
func (z *Zone) Apply(ctx context.Context, p *Plan) error {
	if len(p.Conflicts) > 0 {
		return &ConflictError{p.Conflicts}
	}
	now, err := z.Plan(ctx, p.want)
	if err != nil {
		return err
	}
	if p.Zone != z.name || now.String() != p.String() {
		return ErrStale
	}
	for i, s := range now.Steps {
		if err := z.do(ctx, s); err != nil {
			return fmt.Errorf("zone: step %d of %d, %s %s %s: %w", i+1, len(now.Steps), s.Action, s.Set.Name, s.Set.Type, err)
		}
	}
	return nil
}

// do takes one step. The mark comes before its set and goes after it, so that
// what a crash leaves behind is known to be ours.
func (z *Zone) do(ctx context.Context, s Step) error {
	records, err := s.Set.records()
	if err != nil {
		return err
	}
	mark := []libdns.Record{z.mark(s.Set.key())}
	if s.Action == Delete {
		if len(records) > 0 {
			if _, err := z.provider.DeleteRecords(ctx, z.fqdn(), anyTTL(records)); err != nil {
				return err
			}
		}
		_, err := z.provider.DeleteRecords(ctx, z.fqdn(), anyTTL(mark))
		return err
	}
	if !s.marked {
		if _, err := z.provider.SetRecords(ctx, z.fqdn(), mark); err != nil {
			return err
		}
	}
	_, err = z.provider.SetRecords(ctx, z.fqdn(), records)
	return err
}

// anyTTL is for deleting: a record goes whatever its TTL has become.
func anyTTL(records []libdns.Record) []libdns.Record {
	all := make([]libdns.Record, 0, len(records))
	for _, r := range records {
		rr := r.RR()
		rr.TTL = 0
		if parsed, err := rr.Parse(); err == nil {
			all = append(all, parsed)
		}
	}
	return all
}

func (z *Zone) fqdn() string { return z.name + "." }

// read reads all that the zone holds.
func (z *Zone) read(ctx context.Context) (present, error) {
	records, err := z.provider.GetRecords(ctx, z.fqdn())
	if err != nil {
		return present{}, fmt.Errorf("zone: reading records: %w", err)
	}
	if len(records) > maxRecords {
		return present{}, errors.New("zone: more records than can be read")
	}
	data := map[key][]string{}
	for _, r := range records {
		rr := r.RR()
		name := strings.ToLower(libdns.RelativeName(strings.TrimSuffix(rr.Name, "."), z.name))
		if name == "" {
			name = "@"
		}
		k := key{name, strings.ToUpper(rr.Type)}
		data[k] = append(data[k], rr.Data)
	}
	have := present{sets: map[key]Set{}, names: map[string][]Set{}, owned: map[key]bool{}}
	for k, d := range data {
		if of, ok := z.marks(k, d); ok {
			have.owned[of] = true
			continue
		}
		s := Set{Name: k.name, Type: k.kind, Data: d}.normal()
		have.sets[k] = s
		have.names[k.name] = append(have.names[k.name], s)
	}
	for _, sets := range have.names {
		slices.SortFunc(sets, func(a, b Set) int { return strings.Compare(a.Type, b.Type) })
	}
	return have, nil
}
