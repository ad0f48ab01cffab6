// Package pace keeps orders for certificates within the rate limits of a
// certificate authority, and spreads renewals over time.
//
// A [Budget] spends a share of the limits that the authority publishes, before
// an order is sent: what would be refused is not sent at all, and says when it
// may be ([WaitError]). The counts stand in a [Ledger], so that all nodes spend
// from one. [RenewAt] says when a certificate is renewed, [RetryAt] when an
// order that has failed is tried again, and a [Queue] which of the due orders
// go first: those that somebody waits for, then renewals by the time at which
// they lapse, then what is imported in bulk.
//
// Package pace imports the standard library alone and sends nothing.
package pace
