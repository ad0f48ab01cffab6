// Package pgfeed follows the rows of a table: all of them once, and from then on
// those that were written since, by any node.
//
// The table has a column changed_in, of type xid8 and with an index, that holds
// the transaction which wrote the row last, and a trigger that notifies a channel.
// Rows are not deleted while somebody may have to hear of it.
package pgfeed
