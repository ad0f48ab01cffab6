package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"
)

// far stands between clients and a server, and lets everything that either says
// arrive half a round trip later. It takes the time of each piece when it comes
// and not when it goes, so that pieces do not wait for each other.
type far struct {
	target   string
	half     time.Duration
	listener net.Listener
}

// openFar puts a server at a distance of rtt, and returns its new address.
func openFar(ctx context.Context, target string, rtt time.Duration) (*far, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a distance: %w", err)
	}
	f := &far{target: target, half: rtt / 2, listener: listener}
	go f.serve()
	return f, nil
}

func (f *far) close() { _ = f.listener.Close() } // what is under way ends with its ends

// url is u at the distance.
func (f *far) url(u *url.URL) *url.URL {
	away := *u
	away.Host = f.listener.Addr().String()
	return &away
}

func (f *far) serve() {
	for {
		near, err := f.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", f.target) //nolint:noctx // it ends with the client
		if err != nil {
			_ = near.Close() // the client sees it
			continue
		}
		go f.carry(server, near)
		go f.carry(near, server)
	}
}

// piece is what was read at once, and when it arrives.
type piece struct {
	data []byte
	due  time.Time
}

func (f *far) carry(to, from net.Conn) {
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 1<<14)
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			pieces <- piece{buf[:n], time.Now().Add(f.half)}
		}
	}()
	for p := range pieces {
		sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close() // the other direction ends with them
}
