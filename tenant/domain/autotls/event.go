package autotls

import "time"

// EventType says what happened to a certificate.
type EventType string

// What may happen.
const (
	Obtained EventType = "obtained"
	Renewed  EventType = "renewed"
	// Failed is an order that no CA has fulfilled. The certificate that there
	// was, if any, is still there.
	Failed EventType = "failed"
	// Revoked is a certificate that its CA calls void, and that is forgotten.
	Revoked EventType = "revoked"
	// Forgotten is a certificate that is not there any more, and not revoked.
	Forgotten EventType = "forgotten"
)

// Event is something that happened, told on the node that did it.
type Event struct {
	Type EventType
	// Host is the certificate's name: a host, or *.zone.
	Host string
	// CA is the directory of who issued it, of Obtained and Renewed.
	CA string
	// NotAfter is until when it is good, of Obtained and Renewed.
	NotAfter time.Time
	// Err says why, of Failed.
	Err *IssueError
}
