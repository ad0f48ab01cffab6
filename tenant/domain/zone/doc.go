// Package zone keeps the platform's own DNS records as they should be, through
// any provider of github.com/libdns: the wildcards that tenants' subdomains and
// CNAME targets live on, who may issue certificates, and where the challenge of
// a wildcard certificate is answered.
//
// [Zone.Plan] says what would change, and changes nothing; [Zone.Apply] does what
// a plan says. Both touch only sets of records that carry the zone owner's mark,
// a TXT record beside each: what people or other programs have put into the zone
// is left alone, and named if it is in the way.
package zone
