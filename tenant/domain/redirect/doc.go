// Package redirect leads requests to where a tenant wants them: from http to
// https, from an old host to the primary one, between a host and its www, and
// from one path to another.
//
// A redirect leads to a host of the same tenant, or nowhere: a rule cannot be
// written that leads elsewhere, and a request cannot make one do so. [Check]
// finds loops when rules are saved; [Handler] stops what loops all the same.
package redirect
