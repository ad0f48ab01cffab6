package domain

import (
	"time"

	"github.com/partywall/partywall/internal/hostname"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain/redirect"
)

// State is where a domain is in its life.
//
//	claimed ──proven──▶ verified ──▶ issuing ──certificate──▶ active ◀──▶ degraded
//	   │                                                         │           │
//	   └──never proven, or withdrawn──▶ ended          released ◀┴───────────┘
//	                                      ▲               │
//	                                      └─ tombstoned ◀─┘
type State string

// The states.
const (
	// Claimed: the tenant says that the host is its own, and has to show it.
	Claimed State = "claimed"
	// Verified: it has. From here on the host is this tenant's alone and is
	// served.
	Verified State = "verified"
	// Issuing: a certificate is on its way.
	Issuing State = "issuing"
	// Active: the certificate is there. It is looked at again each day.
	Active State = "active"
	// Degraded: the host does not lead here any more, or its certificate has
	// lapsed. It is served for [Options.Grace].
	Degraded State = "degraded"
	// Released: it is not served any more, and its certificate goes away.
	Released State = "released"
	// Tombstoned: what the owner left in DNS may still lead here. The host is
	// nobody's until it does not, or until someone has put a new TXT record.
	Tombstoned State = "tombstoned"
	// Ended: what became of the claim is history.
	Ended State = "ended"
)

// Serves reports whether requests for the host are the tenant's, and whether it
// may have a certificate.
func (s State) Serves() bool {
	return s == Verified || s == Issuing || s == Active || s == Degraded
}

// Domain is a host of a tenant: claimed, owned, or given up.
type Domain struct {
	// ID names this claim; a host that is claimed again has another.
	ID     int64     `json:"id"`
	Tenant tenant.ID `json:"tenant"`
	// Host is in its one spelling; see [Domain.Unicode].
	Host  string `json:"host"`
	State State  `json:"state"`

	Method Method `json:"method"`
	// Attempt counts the tokens that there have been; the last one is good.
	Attempt int    `json:"attempt"`
	Token   string `json:"token"`
	// Target is what the tenant's hosts have to point at.
	Target string `json:"target"`

	// Primary says that this is the host that the tenant goes by.
	Primary   bool           `json:"primary"`
	Redirects redirect.Rules `json:"redirects"`

	// Reason says what is wrong, "" if nothing is, and Seen what was found
	// instead. Seen comes from outside: escape it where it is shown.
	Reason Reason   `json:"reason,omitempty"`
	Seen   []string `json:"seen,omitempty"`
	// Pointed says that the host led here when it was looked at last.
	Pointed bool `json:"pointed"`
	// Failures counts how often in a row something was wrong.
	Failures int `json:"failures"`

	// Times; the zero time is never.
	ClaimedAt        time.Time `json:"claimed_at"`
	VerifiedAt       time.Time `json:"verified_at,omitzero"`
	CheckedAt        time.Time `json:"checked_at,omitzero"`
	DegradedAt       time.Time `json:"degraded_at,omitzero"`
	EndedAt          time.Time `json:"ended_at,omitzero"`
	CertificateUntil time.Time `json:"certificate_until,omitzero"`
	// DueAt is when it is looked at next.
	DueAt time.Time `json:"due_at,omitzero"`
	// Version rises with every change.
	Version int64 `json:"version"`
}

// Unicode is the host as people write it, or as it is where that could be taken
// for another.
func (d Domain) Unicode() string { return hostname.Unicode(d.Host) }

// Challenge is what the tenant has to show.
func (d Domain) Challenge() Challenge {
	return Challenge{Host: d.Host, Method: d.Method, Token: d.Token, Target: d.Target}
}
