// Package pace keeps orders for certificates within the rate limits of a
// certificate authority, and spreads renewals over time.
//
// A [Budget] spends a share of the limits that the authority publishes, before
// an order is sent: what would be refused is not sent at all, and says when it
// may be ([WaitError]). The counts stand in a [Ledger], so that all nodes spend
// from one. [RenewAt] says when a certificate is renewed, [RetryAt] when an
// order that has failed is tried again, [WaitError.Again] when one is for which
// there was no room, and a [Pause] leaves an authority alone that is in trouble.
// Who goes first is a matter of what each [Class] has to leave: whoever waits
// for a first certificate may have all, a renewal less, and a backlog of
// thousands that came at once the least.
//
// Package pace imports the standard library alone and sends nothing.
package pace
