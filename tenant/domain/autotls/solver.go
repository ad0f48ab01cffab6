package autotls

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// challenges are the answers to http-01 and tls-alpn-01 (RFC 8555, section 8.3,
// and RFC 8737). They are written where every node finds them, as certmagic
// writes them: a CA asks whichever node the host leads to. Nothing is listened
// on: the host's own servers answer.
type challenges struct {
	storage *storage
	issuers []string
	asking  chan struct{} // bounds look-ups, which strangers can cause

	mu    sync.Mutex
	local map[string]acme.Challenge // of this node, by host
}

// maxAsking is how many answers are looked up at once.
const maxAsking = 16

func newChallenges(s *storage, issuers []string) *challenges {
	return &challenges{storage: s, issuers: issuers, asking: make(chan struct{}, maxAsking), local: map[string]acme.Challenge{}}
}

func challengeItem(issuer, host string) string {
	return path.Join("acme", issuer, "challenge_tokens", certmagic.StorageKeys.Safe(host)+".json")
}

// solver presents the answers for one CA. It implements [acmez.Solver].
type solver struct {
	*challenges

	issuer string
	order  *progress
}

var _ acmez.Solver = solver{}

// Present implements [acmez.Solver].
func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	s.order.tries.Add(1)
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.local[c.Identifier.Value] = c
	s.mu.Unlock()
	return s.storage.Store(ctx, challengeItem(s.issuer, c.Identifier.Value), text)
}

// CleanUp implements [acmez.Solver]. What a crash leaves is cleaned up later.
func (s solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	s.mu.Lock()
	delete(s.local, c.Identifier.Value)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.storage.Delete(ctx, challengeItem(s.issuer, c.Identifier.Value))
}

// find returns the challenge that is open for a host, or fs.ErrNotExist.
func (c *challenges) find(ctx context.Context, host string) (found acme.Challenge, err error) {
	c.mu.Lock()
	found, ok := c.local[host]
	c.mu.Unlock()
	if ok {
		return found, nil
	}
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return found, ctx.Err()
	}
	items := make([]string, len(c.issuers))
	for i, issuer := range c.issuers {
		items[i] = challengeItem(issuer, host)
	}
	var item string
	var sealed []byte
	err = c.storage.pool.QueryRow(ctx, `SELECT key, value FROM partywall_tls.item WHERE key = ANY($1) ORDER BY modified_at DESC LIMIT 1`,
		items).Scan(&item, &sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return found, fmt.Errorf("autotls: finding the challenge of %s: %w", host, err)
	}
	text, err := c.storage.open(ctx, item, sealed)
	if err != nil {
		return found, err
	}
	return found, json.Unmarshal(text, &found)
}

// findTime bounds the look-up of a challenge.
const findTime = 5 * time.Second

// answerTLS returns the certificate that answers tls-alpn-01.
func (c *challenges) answerTLS(ctx context.Context, host string) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	found, err := c.find(ctx, host)
	if err != nil {
		return nil, err
	}
	if found.Type != acme.ChallengeTypeTLSALPN01 {
		return nil, fs.ErrNotExist
	}
	return acmez.TLSALPN01ChallengeCert(found)
}

// answerHTTP answers http-01, for the host and the token that are asked for and
// no other.
func (c *challenges) answerHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), findTime)
	defer cancel()
	host, err := normalize(r.Host)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	found, err := c.find(ctx, host)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	case err != nil || found.Type != acme.ChallengeTypeHTTP01 || found.HTTP01ResourcePath() != r.URL.Path || found.Identifier.Value != host:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/octet-stream") // RFC 8555, section 8.3
		_, _ = w.Write([]byte(found.KeyAuthorization))             // who asked may have gone
	}
}
