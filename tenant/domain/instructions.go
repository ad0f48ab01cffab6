package domain

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/partywall/partywall/internal/hostname"
)

// Record is one entry that has to be in the DNS of a tenant's domain.
type Record struct {
	// Name is the full name, Type such as "TXT", Value what it has to hold.
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
	// Label is the name as most providers want it, within the domain that was
	// registered: "@" for that itself.
	Label string `json:"label"`
	// Why says what it is good for, as a sentence.
	Why string `json:"why"`
	// Done says that it was there when it was looked for last.
	Done bool `json:"done"`
}

// String is the record as a line of a zone file.
func (r Record) String() string {
	value := r.Value
	if r.Type == "TXT" {
		value = `"` + value + `"`
	}
	return fmt.Sprintf("%s. IN %s %s", r.Name, r.Type, value)
}

// Instructions is what a tenant has to do for a domain, for the host's UI to show.
type Instructions struct {
	// Host is the domain as people write it.
	Host  string `json:"host"`
	State State  `json:"state"`
	// Status says in a sentence how things are.
	Status string `json:"status"`
	// Records have to be added, in this order. Those of which there are several
	// of one name are needed together.
	Records []Record `json:"records"`
	// File is the path under which the host has to answer plain HTTP, and Body
	// with what; both are "" where it is proven by DNS.
	File string `json:"file,omitempty"`
	Body string `json:"body,omitempty"`
	// Seen is what was found instead of the proof. It comes from outside: escape
	// it where it is shown.
	Seen []string `json:"seen,omitempty"`
}

// Instructions says what a tenant has to do for its domain.
func (c *Catalog) Instructions(d Domain) Instructions {
	in := Instructions{Host: d.Unicode(), State: d.State, Status: d.status(), Seen: d.Seen}
	if d.State == Tombstoned || d.State == Ended || d.State == Released {
		return in
	}
	registered, err := hostname.Registrable(d.Host)
	if err != nil {
		registered = d.Host
	}
	add := func(name, kind, value, why string, done bool) {
		in.Records = append(in.Records, Record{Name: name, Type: kind, Value: value, Label: label(name, registered), Why: why, Done: done})
	}
	challenge := d.Challenge()
	if d.Method == MethodHTTP {
		in.File, in.Body = challenge.Path(), challenge.Token
	} else {
		add(challenge.Record(), "TXT", challenge.Token, "It proves that the domain is yours. Leave it there.", d.State != Claimed)
	}
	if d.Host != registered {
		add(d.Host, "CNAME", d.Target, "It leads your visitors here.", d.Pointed)
		return in
	}
	// RFC 1034, section 3.6.2: where a CNAME is there is nothing else, and at the
	// apex of a zone there always is.
	if len(c.opts.Addresses) == 0 {
		add(d.Host, "ALIAS", d.Target, "It leads your visitors here. Some providers call it ANAME, or flatten a CNAME.", d.Pointed)
	}
	for _, address := range c.opts.Addresses {
		add(d.Host, kindOf(address), address.String(), "It leads your visitors here. Remove other A and AAAA records of this name.", d.Pointed)
	}
	return in
}

func kindOf(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "A"
	}
	return "AAAA"
}

// label is a name within a zone, as providers want it.
func label(name, zone string) string {
	if name == zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+zone)
}

// String is the instructions as text.
func (in Instructions) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", in.Host, in.Status)
	for _, r := range in.Records {
		done := "add"
		if r.Done {
			done = "found"
		}
		fmt.Fprintf(&b, "  %s: %s\n    %s\n", done, r, r.Why)
	}
	if in.File != "" {
		fmt.Fprintf(&b, "  answer http://%s%s with: %s\n", in.Host, in.File, in.Body)
	}
	for _, seen := range in.Seen {
		fmt.Fprintf(&b, "  seen so far: %q\n", seen)
	}
	return b.String()
}

// status is how things are, in a sentence for the tenant.
func (d Domain) status() string {
	switch d.State {
	case Claimed:
		if d.Reason == "" {
			return "Waiting to be proven yours."
		}
		return "Not proven yet: " + d.Reason.sentence()
	case Verified, Issuing:
		if d.Reason == "" {
			return "Proven yours; its certificate is on its way."
		}
		return "Proven yours, but without a certificate: " + d.Reason.sentence()
	case Active:
		if d.Reason == "" {
			return "In use."
		}
		return "In use, but at the last look: " + d.Reason.sentence()
	case Degraded:
		return "In use for now, but: " + d.Reason.sentence()
	case Released:
		return "Given up."
	case Tombstoned:
		return "Given up. Remove what is left of it in DNS."
	}
	return "Over: " + d.Reason.sentence()
}

// sentence is a reason for people.
func (r Reason) sentence() string {
	if text, ok := map[Reason]string{
		ReasonNoRecord:           "the record is not there.",
		ReasonWrongRecord:        "the record is there, but holds something else.",
		ReasonResolversDisagree:  "name servers give different answers; they may need some time.",
		ReasonUnreachable:        "it could not be reached.",
		ReasonNotPointed:         "it does not lead here.",
		ReasonCAAForbids:         "its CAA records do not let us get a certificate.",
		ReasonAddressRefused:     "it leads to an address that is not public.",
		ReasonTooManyRedirects:   "it redirects too often.",
		ReasonDNSFailure:         "its name servers do not answer.",
		ReasonOrderFailed:        "the certificate authority has refused it.",
		ReasonRateLimited:        "the certificate authority wants us to wait.",
		ReasonCAUnavailable:      "the certificate authority does not answer.",
		ReasonCertificateExpired: "its certificate has lapsed.",
		ReasonTenantGone:         "the account is closed.",
		ReasonTaken:              "another account has it, and its proof is still there. Remove that TXT record.",
		ReasonTakenOver:          "another account has proven it.",
		ReasonReleased:           "it was given up.",
		ReasonNeverProven:        "it was not proven in time.",
		ReasonFreed:              "it is free again.",
	}[r]; ok {
		return text
	}
	return string(r) + "."
}
