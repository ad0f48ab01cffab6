package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/examples/recordstore/cover"
)

// statuses does what curl would, and looks at the answers' statuses.
func statuses(t *testing.T, commands [][]string, want ...int) {
	t.Helper()
	if len(commands) != len(want) {
		t.Fatalf("%d commands, want %d: %q", len(commands), len(want), commands)
	}
	for i, command := range commands {
		status, body := send(t, curl(t, command[1]))
		if status != want[i] {
			t.Errorf("%s\ngives %d, want %d:\n%s", command[1], status, want[i], body)
		}
		if _, comment, ok := strings.Cut(command[1], " # "); ok && !strings.HasSuffix(comment, fmt.Sprintf(": %d", want[i])) {
			t.Errorf("%s\ndoes not promise %d", command[1], want[i])
		}
	}
}

// curl makes the request that a shell's command would.
func curl(t *testing.T, command string) *http.Request {
	t.Helper()
	command, _, _ = strings.Cut(command, " # ")
	method, target, body, headers := http.MethodGet, "", "", []string{}
	words := regexp.MustCompile(`'[^']*'|[^ ]+`).FindAllString(command, -1)
	for i := 1; i < len(words); i++ {
		switch word := strings.Trim(words[i], "'"); word {
		case "-i":
		case "-H":
			i++
			headers = append(headers, strings.Trim(words[i], "'"))
		case "-T":
			i++
			picture, err := cover.Draw(words[i])
			if err != nil {
				t.Fatal(err)
			}
			method, body = http.MethodPut, string(picture)
		case "-d":
			i++
			method, body = http.MethodPost, strings.Trim(words[i], "'")
		default:
			target = word
			if strings.ContainsAny(word, "?&*") && word == words[i] {
				t.Errorf("a shell would make something else of %s", word)
			}
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// send sends a request to this machine, whatever host it names.
func send(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: time.Minute, Transport: toLoopback()}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// toLoopback takes all requests to this machine: not every resolver knows that
// *.localhost is here.
func toLoopback() *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	status, body := send(t, curl(t, "curl "+url))
	if status != http.StatusOK {
		t.Errorf("%s: %d", url, status)
	}
	return body
}
