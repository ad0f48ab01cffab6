package autotls

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// The directories of Let's Encrypt.
const (
	LetsEncrypt        = "https://acme-v02.api.letsencrypt.org/directory"
	LetsEncryptStaging = "https://acme-staging-v02.api.letsencrypt.org/directory"
)

// CA is an authority that certificates are ordered from by ACME (RFC 8555).
type CA struct {
	// Directory is its https address. Required.
	Directory string
	// Email is where it may write to, if it writes at all. Defaults to nowhere.
	Email string
	// Profile is which of its profiles is ordered. Defaults to the CA's own.
	Profile string
	// Key and MAC bind our account to one that the CA has already (RFC 8555,
	// section 7.3.4): the key's identifier, and the key in base64url. They go
	// together. Default to none.
	Key, MAC string
	// Roots is who has signed the CA's own server. Defaults to the system's.
	Roots *x509.CertPool
	// Limits are what the CA allows. Default to Let's Encrypt's, which are right
	// for it and careful for others.
	Limits *pace.Limits
}

// Options are the settings of a [Manager]. Key or Sealer, and Agreed, are
// required; the zero value of all else is good for production.
type Options struct {
	// Key seals what is stored, 32 random bytes that are not in the database.
	// Keys that went before it are in OldKeys: they open what is there, and
	// whatever is written is sealed with Key.
	Key     []byte
	OldKeys [][]byte
	// Sealer replaces Key and OldKeys, such as by a KMS.
	Sealer Sealer

	// Agreed says that the terms of service of all CAs were read and accepted.
	Agreed bool
	// CAs are asked in this order: one that fails, or whose budget is used up,
	// leaves it to the next. Defaults to Let's Encrypt alone.
	CAs []CA

	// Share is the part of the CAs' limits that all nodes together spend. Defaults
	// to 0.8.
	Share float64

	// Wildcards are zones such as "app.example.com": hosts directly below one
	// share the certificate of *.app.example.com, which is ordered by dns-01.
	Wildcards []string
	// DNS writes the records of dns-01, by any provider of libdns. Required for
	// Wildcards.
	DNS certmagic.DNSProvider
	// Resolvers are asked, as host:port, for the zone of a wildcard and whether
	// its record is there yet. Defaults to the system's, and to the zone's own
	// servers for the record.
	Resolvers []string

	// NoHTTP01 and NoTLSALPN01 switch a challenge off, such as where port 80 or
	// 443 does not lead to this Manager.
	NoHTTP01, NoTLSALPN01 bool
	// NoOnDemand leaves all orders to [Manager.Issue]; a handshake orders none.
	NoOnDemand bool
	// DefaultHost is whose certificate clients get that name no host, which are
	// old or look at the machine's health. Defaults to none: they are refused.
	DefaultHost string
	// HTTPSPort is the port that [Manager.HTTPHandler] sends browsers to, and
	// which [Manager.Server] listens on. Defaults to 443.
	HTTPSPort int

	// Cache is how many certificates a node keeps in memory, at some 2 KB each.
	// Defaults to 50,000.
	Cache int
	// Orders is how many a node has under way at once. Defaults to 16.
	Orders int
	// OrderTimeout bounds one order at one CA. Defaults to 2 minutes.
	OrderTimeout time.Duration
	// HandshakeWait is how long a handshake waits for an order, which goes on
	// without it. Defaults to 30 seconds.
	HandshakeWait time.Duration
	// Lease is how long a host stays with a node that is not heard of. Defaults
	// to 15 seconds.
	Lease time.Duration
	// Sweep is how often a node asks what has changed and what is due. Defaults
	// to 5 seconds.
	Sweep time.Duration
	// Name says who this process is, for people. Defaults to host and process
	// number.
	Name string

	// SkipMigrations makes [Manager.Open] fail when tables are missing, instead
	// of making them.
	SkipMigrations bool
	// OnEvent is told what happens to certificates, by one goroutine at a time
	// per host. It should return soon. Defaults to nobody.
	OnEvent func(Event)
	// Meter has the instruments of this package. Defaults to none.
	Meter metric.Meter
	// Logger gets what nobody is there to be told. Defaults to slog.Default.
	Logger *slog.Logger
	// Clock is the time by which certificates are old and due. Leases are by
	// the database's clock. Defaults to time.Now.
	Clock func() time.Time
}

// withDefaults returns a copy of o with the defaults filled in.
func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	if len(filled.CAs) == 0 {
		filled.CAs = []CA{{Directory: LetsEncrypt}}
	}
	filled.HTTPSPort = cmp.Or(filled.HTTPSPort, 443)
	filled.Cache = cmp.Or(filled.Cache, 50_000)
	filled.Orders = cmp.Or(filled.Orders, 16)
	filled.OrderTimeout = cmp.Or(filled.OrderTimeout, 2*time.Minute)
	filled.HandshakeWait = cmp.Or(filled.HandshakeWait, 30*time.Second)
	filled.Lease = cmp.Or(filled.Lease, 15*time.Second)
	filled.Sweep = cmp.Or(filled.Sweep, 5*time.Second)
	if filled.Name == "" {
		host, _ := os.Hostname() // it is for people
		filled.Name = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	if filled.Meter == nil {
		filled.Meter = noop.Meter{}
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	if filled.Clock == nil {
		filled.Clock = time.Now
	}
	return filled
}

// validate returns every mistake at once. It brings names to their one spelling.
func (o *Options) validate() error {
	var errs []error
	if !o.Agreed {
		errs = append(errs, invalid("Options.Agreed is not set: the CAs' terms of service have to be accepted"))
	}
	if (o.Sealer == nil) == (len(o.Key) == 0) {
		errs = append(errs, invalid("Options wants either Key or Sealer"))
	}
	for name, d := range map[string]time.Duration{
		"OrderTimeout": o.OrderTimeout, "HandshakeWait": o.HandshakeWait, "Lease": o.Lease, "Sweep": o.Sweep,
	} {
		if d < 100*time.Millisecond {
			errs = append(errs, invalid("Options.%s is shorter than 100ms", name))
		}
	}
	if o.Cache < 1 || o.Orders < 1 || o.HTTPSPort < 1 || o.HTTPSPort > 65535 {
		errs = append(errs, invalid("Options.Cache, Orders or HTTPSPort is out of range"))
	}
	if o.NoHTTP01 && o.NoTLSALPN01 && o.DNS == nil {
		errs = append(errs, invalid("Options leave no challenge"))
	}
	return errors.Join(append(errs, o.validateNames(), o.validateCAs())...)
}

func (o *Options) validateNames() error {
	var errs []error
	if len(o.Wildcards) > 0 && o.DNS == nil {
		errs = append(errs, invalid("Options.Wildcards want DNS"))
	}
	o.Wildcards = slices.Clone(o.Wildcards)
	for i, zone := range o.Wildcards {
		var err error
		if o.Wildcards[i], err = normalize(zone); err != nil || !strings.Contains(zone, ".") {
			errs = append(errs, invalid("Options.Wildcards: %q is no zone", zone))
		}
	}
	if o.DefaultHost != "" {
		var err error
		if o.DefaultHost, err = normalize(o.DefaultHost); err != nil {
			errs = append(errs, invalid("Options.DefaultHost is no host"))
		}
	}
	return errors.Join(errs...)
}

func (o *Options) validateCAs() error {
	var errs []error
	seen := map[string]bool{}
	for i, ca := range o.CAs {
		u, err := url.Parse(ca.Directory)
		switch {
		case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
			errs = append(errs, invalid("Options.CAs[%d].Directory is no https address", i))
		case seen[ca.Directory]:
			errs = append(errs, invalid("Options.CAs[%d].Directory is there twice", i))
		case (ca.Key == "") != (ca.MAC == ""):
			errs = append(errs, invalid("Options.CAs[%d] wants both Key and MAC, or none", i))
		case strings.ContainsAny(ca.Email, "/\r\n \x00"):
			errs = append(errs, invalid("Options.CAs[%d].Email is no address", i))
		}
		seen[ca.Directory] = true
	}
	return errors.Join(errs...)
}
