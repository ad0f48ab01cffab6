// Package proof looks whether tenants control the hosts that they claim, whether
// those lead here, and whether a certificate may be issued for them.
//
// All that it reads comes from whoever wants a host: names, DNS answers, HTTP
// answers. It takes no one's word for more than that one's own part, keeps
// nothing between two looks, and goes to no address that is not public.
package proof
