package web

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
)

// PathDomains is where a store looks after the domains that are its own.
const PathDomains = "/domains"

// addDomains adds the pages of domains. Who may see them is left out, as for all
// that a store's own people do here.
func (s *site) addDomains(mux *http.ServeMux) {
	same := http.NewCrossOriginProtection()
	mux.Handle("GET "+PathDomains, s.handle(s.domainsPage))
	for action, do := range map[string]func(*http.Request, tenant.Tenant, string) error{
		"claim": s.claimDomain, "records": s.addRecords, "check": s.checkDomain, "primary": s.makePrimary, "release": s.releaseDomain,
	} {
		mux.Handle("POST "+PathDomains+"/"+action, same.Handler(s.handle(func(w http.ResponseWriter, r *http.Request) error {
			t, err := tenant.FromContext(r.Context())
			if err != nil {
				return err
			}
			const most = 4 << 10
			r.Body = http.MaxBytesReader(w, r.Body, most)
			to := PathDomains
			if err := do(r, t, r.PostFormValue("host")); err != nil {
				to += "?wrong=" + url.QueryEscape(strings.TrimPrefix(err.Error(), "domain: "))
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil
		})))
	}
}

func (s *site) claimDomain(r *http.Request, t tenant.Tenant, host string) error {
	_, err := s.Domains.Claim(r.Context(), t.ID, host, domain.MethodTXT)
	return err
}

// addRecords does what the store's owner would do at a DNS provider.
func (s *site) addRecords(r *http.Request, t tenant.Tenant, host string) error {
	d, err := s.Domains.Get(r.Context(), t.ID, host)
	if err != nil {
		return err
	}
	for _, record := range s.Domains.Instructions(d).Records {
		if err := s.dns(record); err != nil {
			return err
		}
	}
	return s.checkDomain(r, t, host)
}

func (s *site) checkDomain(r *http.Request, t tenant.Tenant, host string) error {
	_, err := s.Domains.Check(r.Context(), t.ID, host)
	return err
}

func (s *site) makePrimary(r *http.Request, t tenant.Tenant, host string) error {
	_, err := s.Domains.MakePrimary(r.Context(), t.ID, host)
	return err
}

func (s *site) releaseDomain(r *http.Request, t tenant.Tenant, host string) error {
	_, err := s.Domains.Release(r.Context(), t.ID, host)
	return err
}

// domainsView is what the page of a store's domains shows.
type domainsView struct {
	Tenant  tenant.Tenant
	Host    string // of the chain, with the port
	Port    string // of HTTPS
	Wrong   string // what could not be done just now
	Domains []domainView
	DNS     bool // there is a provider to add records
}

// domainView is one of them.
type domainView struct {
	Domain domain.Domain
	Todo   domain.Instructions
}

// Is is the domain's state.
func (v domainView) Is() string { return string(v.Domain.State) }

// Gone reports whether it is the store's no more.
func (v domainView) Gone() bool {
	return v.Domain.State == domain.Released || v.Domain.State == domain.Tombstoned
}

// Days is for how long its certificate is good.
func (v domainView) Days() int {
	const day = 24 * time.Hour
	return int(time.Until(v.Domain.CertificateUntil) / day)
}

// Moving reports whether the page will look different in a moment.
func (v *domainsView) Moving() bool {
	for _, d := range v.Domains {
		switch d.Domain.State {
		case domain.Verified, domain.Released:
			return true
		case domain.Issuing, domain.Claimed:
			if time.Until(d.Domain.DueAt) < 2*time.Second {
				return true
			}
		}
	}
	return false
}

func (s *site) domainsPage(w http.ResponseWriter, r *http.Request) error {
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		return err
	}
	view := &domainsView{Tenant: t, Host: s.baseOf(r), Wrong: r.URL.Query().Get("wrong"), DNS: s.dns != nil}
	_, view.Port, _ = net.SplitHostPort(s.secure) // an address without a port has none to show
	view.Port = cmp.Or(view.Port, "443")
	all, err := s.Domains.Domains(r.Context(), t.ID)
	if err != nil {
		return err
	}
	for _, d := range all {
		view.Domains = append(view.Domains, domainView{d, s.Domains.Instructions(d)})
	}
	return s.show(w, "domains.html", view)
}
