package check

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/text/unicode/norm"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// naive is a host as one writes it at first: the store's name and a dash in
// front of a command's first key, and the store's name as a folder. It is there
// to be raided: a raid that takes nothing from it proves nothing.
type naive struct {
	server *miniredis.Miniredis
	client *redis.Client
	files  map[string]string
	key    []byte // signs addresses
}

func newNaive() (*naive, error) {
	n := &naive{server: miniredis.NewMiniRedis(), files: map[string]string{}, key: []byte(rand.Text())}
	if err := n.server.Start(); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	n.client = redis.NewClient(&redis.Options{Addr: n.server.Addr()})
	return n, nil
}

func (n *naive) close() {
	_ = n.client.Close() // nothing is lost with it
	n.server.Close()
}

// redis implements host.
func (n *naive) redis(ctx context.Context, slug, with string, commands [][]string) (string, error) {
	cmds, _ := n.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, words := range commands {
			whose := slug
			if with != "" && i == 0 {
				whose = with
			}
			args := make([]any, len(words))
			for at, word := range words {
				args[at] = word
			}
			switch words[0] {
			case "GET", "SET", "MGET", "DEL", "COPY", "UNLINK", "KEYS":
				args[1] = whose + "-" + words[1]
			}
			pipe.Do(ctx, args...)
		}
		return nil
	})
	var text strings.Builder // the error of all is one of theirs
	for _, cmd := range cmds {
		if cmd, ok := cmd.(*redis.Cmd); ok {
			fmt.Fprintln(&text, cmd.Val(), cmd.Err())
		}
	}
	return text.String(), nil
}

// at is where a name leads, with the help of a well-meaning framework.
func (n *naive) at(slug, name string) string {
	if plain, err := url.PathUnescape(norm.NFKC.String(name)); err == nil {
		name = plain
	}
	if !path.IsAbs(name) {
		name = path.Join("/", slug, name)
	}
	return path.Clean(name)[1:]
}

// bucket implements host.
func (n *naive) bucket(_ context.Context, slug string, g web.Grab) (string, error) {
	name := n.at(slug, g.Name)
	switch g.Do {
	case "read":
		return n.files[name], nil
	case "list":
		var found []string
		for file := range n.files {
			if strings.HasPrefix(file, slug+g.Name) || strings.HasPrefix(file, name) {
				found = append(found, file)
			}
		}
		return strings.Join(found, "\n"), nil
	case "copy":
		n.files[n.at(slug, g.To)] = n.files[name]
	case "write":
		n.files[name] = g.Text
	case "delete":
		delete(n.files, name)
	case "sign":
		until := fmt.Sprint(time.Now().Add(g.Life).Unix())
		return "/files?" + url.Values{"obj": {name}, "expiry": {until}, "signature": {n.sign(until)}}.Encode(), nil
	}
	return "", nil
}

// sign signs when an address ends, and forgets what it is for.
func (n *naive) sign(until string) string {
	mac := hmac.New(sha256.New, n.key)
	_, _ = mac.Write([]byte(until)) // never fails
	return fmt.Sprintf("%x", mac.Sum(nil))
}

// follow implements host.
func (n *naive) follow(_ context.Context, method, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	if q.Get("signature") != n.sign(q.Get("expiry")) {
		return "", nil
	}
	if method == http.MethodDelete {
		delete(n.files, q.Get("obj"))
	}
	return n.files[q.Get("obj")], nil
}
