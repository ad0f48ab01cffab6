package domain

import (
	"context"
	"fmt"
	"strings"
)

// Method is a way to prove that one controls a host.
type Method string

// The methods. DNS proves more: who can set a TXT record controls the name, who
// can answer on port 80 perhaps only what an old record points at.
const (
	MethodTXT  Method = "txt"
	MethodHTTP Method = "http"
)

// Challenge is what a tenant has to show for a host.
type Challenge struct {
	// Host is in its one spelling.
	Host   string
	Method Method
	// Token is the nonce of one tenant, host and attempt. It is no secret: it is
	// to be published. But nobody can guess another's.
	Token string
	// Target is the tenant's own CNAME target, such as k3j9x2.edge.example.com.
	Target string
}

// Record is the name of the TXT record that has to hold the token.
func (c Challenge) Record() string { return "_partywall-challenge." + c.Host }

// Path is where the host has to answer plain HTTP with the token as the body.
func (c Challenge) Path() string { return "/.well-known/partywall-challenge" }

// Evidence is what a [Prover] has found.
type Evidence struct {
	// Seen is what was found, cut short, for people.
	Seen []string
	// Pointed says that the host leads to its Target, or to the edge's addresses.
	Pointed bool
	// Unsure says that where it leads could not be seen, so that Pointed means
	// nothing if it is false.
	Unsure bool
}

// Prover looks whether a challenge is met. It returns nil if it is, and a
// [ProofError] if not. Package proof has one.
type Prover interface {
	Prove(ctx context.Context, c Challenge) (Evidence, error)
}

// Reason says in one stable word why a host is not served, or not yet.
type Reason string

// The reasons.
const (
	ReasonNoRecord           Reason = "no-record"
	ReasonWrongRecord        Reason = "wrong-record"
	ReasonResolversDisagree  Reason = "resolvers-disagree"
	ReasonUnreachable        Reason = "unreachable"
	ReasonNotPointed         Reason = "not-pointed"
	ReasonCAAForbids         Reason = "caa-forbids"
	ReasonAddressRefused     Reason = "address-refused"
	ReasonTooManyRedirects   Reason = "too-many-redirects"
	ReasonDNSFailure         Reason = "dns-failure"
	ReasonOrderFailed        Reason = "order-failed"
	ReasonRateLimited        Reason = "rate-limited"
	ReasonCAUnavailable      Reason = "ca-unavailable"
	ReasonCertificateExpired Reason = "certificate-expired"
	ReasonTenantGone         Reason = "tenant-gone"
	ReasonTaken              Reason = "taken"      // another tenant has the host, and its proof still stands
	ReasonTakenOver          Reason = "taken-over" // another tenant has proven the host, and the proof of this one is gone
	ReasonReleased           Reason = "released"
	ReasonNeverProven        Reason = "never-proven"
	ReasonFreed              Reason = "freed" // a tombstone's host leads here no more, or was proven anew
)

// ProofError says why a challenge is not met.
type ProofError struct {
	Reason Reason
	// Seen is what was found instead, cut short, for people. It comes from
	// outside: escape it where it is shown.
	Seen []string
	// Err is the cause, or nil. Its text is for operators.
	Err error
}

// Error implements error. It does not quote what was seen.
func (e *ProofError) Error() string {
	text := "domain: not proven: " + strings.ReplaceAll(string(e.Reason), "-", " ")
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", text, e.Err)
	}
	return text
}

// Unwrap returns the cause.
func (e *ProofError) Unwrap() error { return e.Err }
