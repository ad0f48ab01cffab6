package tenant

import (
	"slices"
	"strings"
)

// maxSlug is what DNS allows for one label (RFC 1035, section 2.3.4).
const maxSlug = 63

// ValidateSlug reports whether slug has the form of a slug: one label of a
// host name (RFC 1123) in lower case. It has 1 to 63 of a-z, 0-9 and '-', does
// not begin or end with '-', and is not digits only. "--" in third and fourth
// place is refused, because names like xn--80ak6aa92e are shown to people as
// other letters; so is the form of a UUID, so that a URL may hold either a
// slug or an [ID].
//
// It fails with an [*InvalidError]. Whether a slug is reserved is another
// question: see [ReservedSlugs].
func ValidateSlug(slug string) error {
	switch {
	case slug == "":
		return invalid("slug", slug, "is empty")
	case len(slug) > maxSlug:
		return invalid("slug", slug, "is longer than 63 characters")
	case strings.ContainsFunc(slug, notInSlug):
		return invalid("slug", slug, "has a character that is none of a-z, 0-9 and '-'")
	case slug[0] == '-' || slug[len(slug)-1] == '-':
		return invalid("slug", slug, "begins or ends with '-'")
	case len(slug) >= 4 && slug[2:4] == "--":
		return invalid("slug", slug, `has "--" in third and fourth place`)
	case strings.Trim(slug, "0123456789") == "":
		return invalid("slug", slug, "is digits only")
	case looksLikeUUID(slug):
		return invalid("slug", slug, "has the form of a UUID")
	}
	return nil
}

func notInSlug(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

func looksLikeUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && c > 'f' {
			return false
		}
	}
	return true
}

// NormalizeSlug returns s in lower case, as [BySlug] wants it, or the error of
// [ValidateSlug]. Only ASCII letters are lowered: a letter that merely lowers
// to one of them, such as the Kelvin sign, is an error.
func NormalizeSlug(s string) (string, error) {
	if len(s) > maxSlug {
		return "", invalid("slug", s, "is longer than 63 characters")
	}
	lower := s
	if strings.ContainsFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
		b := []byte(s)
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] = c + ('a' - 'A')
			}
		}
		lower = string(b)
	}
	if err := ValidateSlug(lower); err != nil {
		return "", err
	}
	return lower, nil
}

// ReservedSlugs returns the slugs that no new tenant gets, sorted: names that
// a host answers itself on its base domain, names by which mail and
// certificate authorities know the owner of a domain (RFC 2142 and the CA/B
// Forum's baseline requirements), and names that deceive. [Options] adds the
// host's own. A tenant that has such a slug already keeps it.
func ReservedSlugs() []string {
	reserved := strings.Fields(`
		about abuse account accounts admin administrator api app apps assets auth autoconfig autodiscover
		billing blog broadcasthost cache calendar cdn chat console contact control dashboard demo dev developer
		developers dns docs domain download email example files ftp git guest health healthz help host hostmaster
		http https id imap images info internal invalid invoice ipfs isatap js legal local localdomain localhost
		login logout m mail mailer-daemon manage marketing me media metrics mobile mta-sts mx my news nobody noc
		no-reply noreply ns ns1 ns2 ns3 ns4 null oauth oidc ops owner partner partywall password pay payment
		payments ping pop pop3 portal postmaster preview private prod production proxy public register root sales
		saml sandbox secure security server service services settings setup shop signin signup sitemap smtp sso
		staging stage static stats status store superuser support sysadmin system tenant tenants test testing
		token undefined unknown upload uploads usenet user users uucp vpn web webhook webhooks webmail webmaster
		well-known wpad ws wss www www1 www2 www3`)
	slices.Sort(reserved)
	return reserved
}
