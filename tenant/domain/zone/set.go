package zone

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/partywall/partywall/internal/hostname"
)

// Set is all records of one name and type.
type Set struct {
	// Name is relative to the zone; "@" is the zone itself.
	Name string
	// Type is A, AAAA, CNAME, CAA or TXT.
	Type string
	// Data are the records as zone files have them: "192.0.2.1", "edge.example.com",
	// `0 issue "letsencrypt.org"`. TXT is written without quotes.
	Data []string
	// TTL is how long they may be kept; 0 is the provider's own. A difference
	// here alone changes nothing: many providers round it.
	TTL time.Duration
}

// key is the name and type of a set.
type key struct{ name, kind string }

func (s Set) key() key { return key{s.Name, s.Type} }

// String returns the set as people write it.
func (s Set) String() string { return s.Name + " " + s.Type + " " + strings.Join(s.Data, ", ") }

// records returns the set as libdns has it, one typed record each.
func (s Set) records() ([]libdns.Record, error) {
	var all []libdns.Record
	for _, data := range s.Data {
		r, err := libdns.RR{Name: s.Name, Type: s.Type, Data: data, TTL: s.TTL}.Parse()
		if err != nil {
			return nil, fmt.Errorf("zone: %s %s: %w", s.Name, s.Type, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// normal brings a set into the form in which two can be compared.
func (s Set) normal() Set {
	s.Name, s.Type = strings.ToLower(s.Name), strings.ToUpper(s.Type)
	if s.Name == "" {
		s.Name = "@"
	}
	data := make([]string, 0, len(s.Data))
	for _, one := range s.Data {
		data = append(data, normalData(s.Type, one))
	}
	slices.Sort(data)
	s.Data = slices.Compact(data)
	return s
}

func normalData(kind, data string) string {
	switch kind {
	case "A", "AAAA":
		if at, err := netip.ParseAddr(data); err == nil {
			return at.String()
		}
	case "CNAME":
		return strings.ToLower(strings.TrimSuffix(data, "."))
	case "CAA":
		if r, err := (libdns.RR{Name: "@", Type: kind, Data: data}).Parse(); err == nil {
			return r.RR().Data
		}
	}
	return data
}

// Limits of what is read and written.
const (
	maxSets    = 1000
	maxData    = 100
	maxLength  = 255
	maxRecords = 1_000_000
)

// check returns what is wrong with a set to be written, which is in normal form.
func (s Set) check(zone string) error {
	if err := checkName(s.Name, zone); err != nil {
		return err
	}
	if len(s.Data) == 0 || len(s.Data) > maxData {
		return fmt.Errorf("zone: %s %s has no data, or too much", s.Name, s.Type)
	}
	for _, data := range s.Data {
		if err := checkData(s.Type, data); err != nil {
			return fmt.Errorf("zone: %s %s: %w", s.Name, s.Type, err)
		}
	}
	if s.Type == "CNAME" && (len(s.Data) > 1 || s.Name == "@") {
		return fmt.Errorf("zone: %s has more than one CNAME, or is the apex", s.Name)
	}
	_, err := s.records()
	return err
}

// checkName wants a name below the zone: host names, with labels that begin with
// an underscore, and an asterisk in front.
func checkName(name, zone string) error {
	if strings.HasPrefix(name, markPrefix) || name == anyLabel || strings.HasPrefix(name, anyLabel+".") {
		return errors.New("zone: the name of a mark is taken")
	}
	if name == "@" {
		return nil
	}
	plain := strings.TrimPrefix(name, "*.")
	if plain == "*" {
		plain = "x"
	}
	labels := strings.Split(plain, ".")
	for i := range labels {
		labels[i] = strings.TrimPrefix(labels[i], "_")
	}
	full := strings.Join(labels, ".") + "." + zone
	if one, err := hostname.Normalize(full); err != nil || one != full {
		return fmt.Errorf("zone: %.80q is no name for a record", name)
	}
	return nil
}

func checkData(kind, data string) error {
	if len(data) > maxLength || strings.ContainsFunc(data, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("data is too long, or not visible ASCII")
	}
	at, err := netip.ParseAddr(data)
	switch kind {
	case "A":
		if err != nil || !at.Is4() {
			return errors.New("data is no IPv4 address")
		}
	case "AAAA":
		if err != nil || !at.Is6() || at.Is4In6() || at.Zone() != "" {
			return errors.New("data is no IPv6 address")
		}
	case "CNAME":
		if one, err := hostname.Normalize(strings.TrimPrefix(data, "_acme-challenge.")); err != nil || !strings.HasSuffix(data, one) {
			return errors.New("data is no host name")
		}
	case "CAA", "TXT":
	default:
		return errors.New("type is not one that the platform needs")
	}
	return nil
}
