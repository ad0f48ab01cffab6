package autotls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// answerTime bounds one request to a CA, and maxAnswer what it may say.
const (
	answerTime = 30 * time.Second
	maxAnswer  = 1 << 20
)

// transport speaks to one CA. It cuts answers short, and notes what they say of
// the CA's health.
type transport struct {
	*http.Transport

	pause *pace.Pause
	clock func() time.Time
}

func newClient(roots *x509.CertPool, pause *pace.Pause, clock func() time.Time) *http.Client {
	plain := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   answerTime,
		ResponseHeaderTimeout: answerTime,
		IdleConnTimeout:       time.Minute,
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{Transport: transport{plain, pause, clock}, Timeout: answerTime}
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	now := t.clock()
	if err != nil {
		if !errors.Is(r.Context().Err(), context.Canceled) { // by us
			t.pause.Trouble(now, 0)
		}
		return nil, err
	}
	asked := retryAfter(answer.Header.Get("Retry-After"), now)
	switch {
	case answer.StatusCode >= http.StatusInternalServerError:
		t.pause.Trouble(now, asked)
	case answer.StatusCode == http.StatusTooManyRequests:
		t.pause.Answered() // one host's limit must not keep the others
		if p := progressOf(r.Context()); p != nil && asked > 0 {
			p.retryAt.Store(now.Add(asked).Unix())
		}
	default:
		t.pause.Answered()
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

// longestRetry is the longest time that a CA is believed to want us to wait.
const longestRetry = 7 * 24 * time.Hour

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3); zero is none.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longestRetry)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestRetry)
}
