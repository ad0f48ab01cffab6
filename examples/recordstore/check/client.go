package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// Summary is a store's account of itself.
type Summary = web.Summary

// client talks HTTP to the chain, whatever host it names.
type client struct {
	http   *http.Client
	port   string
	tokens *regexp.Regexp
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

func newClient(addr string) *client {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		port = "80" // and the first request says what is wrong with the address
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return &client{
		http: &http.Client{
			Transport:     &http.Transport{DialContext: dial, MaxIdleConnsPerHost: workers},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       30 * time.Second,
		},
		port: port, tokens: tokens(),
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// answer is a response, read to its end.
type answer struct {
	status int
	body   string
}

// send sends a request to a store's host, or to the chain's for an empty slug.
func (c *client) send(ctx context.Context, method, slug, path string, body []byte, change func(*http.Request)) (answer, error) {
	host := net.JoinHostPort(web.Base, c.port)
	if slug != "" {
		host = slug + "." + host
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if change != nil {
		change(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or failed for a better reason
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answer{resp.StatusCode, string(text)}, err
}

// get reads JSON from a store into out.
func (c *client) get(ctx context.Context, slug, path string, out any) error {
	a, err := c.send(ctx, http.MethodGet, slug, path, nil, nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d", path, a.status)
	}
	if err := json.Unmarshal([]byte(a.body), out); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// sql runs a statement in the playground, through the worst of all holes.
func (c *client) sql(ctx context.Context, slug, statement string) (web.Played, answer, error) {
	return c.play(c.send(ctx, http.MethodPost, slug, web.PathSQL, []byte(statement), nil))
}

// search injects a text into a statement of the playground's.
func (c *client) search(ctx context.Context, slug, text string) (web.Played, answer, error) {
	return c.play(c.send(ctx, http.MethodGet, slug, web.PathSearch+"?q="+url.QueryEscape(text), nil, nil))
}

func (c *client) play(a answer, err error) (web.Played, answer, error) {
	var out web.Played
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("playground: status %d", a.status)
	}
	if err == nil {
		err = json.Unmarshal([]byte(a.body), &out)
	}
	return out, a, err
}
