package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"time"
)

// far stands between clients and a server, and lets everything that either says
// arrive half a round trip later. It takes the time of each piece when it comes
// and not when it goes, so that pieces do not wait for each other. As all of them
// take equally long, they arrive in the order in which they came: one goroutine
// delivers them all. (One that sleeps holds a processor from the clients for a
// while; as many as there are connections would hold all of them.)
type far struct {
	target   string
	half     time.Duration
	listener net.Listener
	pieces   chan piece
	done     chan struct{}
}

// piece is what was read at once, whom it is for and when it arrives. One without
// data is the end of what from says.
type piece struct {
	data     []byte
	due      time.Time
	to, from net.Conn
}

// openFar puts a server at a distance of rtt, and returns its new address.
func openFar(ctx context.Context, target string, rtt time.Duration) (*far, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a distance: %w", err)
	}
	f := &far{
		target: target, half: rtt / 2, listener: listener,
		pieces: make(chan piece, 1024), done: make(chan struct{}),
	}
	go f.serve()
	go f.deliver()
	return f, nil
}

// close ends the deliveries: what is under way is lost. It is called once.
func (f *far) close() {
	_ = f.listener.Close()
	close(f.done)
}

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
		go f.collect(server, near)
		go f.collect(near, server)
	}
}

// collect takes in what one end says to the other.
func (f *far) collect(to, from net.Conn) {
	buf := make([]byte, 1<<14)
	for open := true; open; {
		n, err := from.Read(buf)
		open = err == nil
		select {
		case f.pieces <- piece{bytes.Clone(buf[:n]), time.Now().Add(f.half), to, from}:
		case <-f.done:
			open = false
			_, _ = to.Close(), from.Close() // nothing will arrive any more
		}
	}
}

// deliver hands over what is due.
func (f *far) deliver() {
	for {
		select {
		case p := <-f.pieces:
			sleep(time.Until(p.due))
			if _, err := p.to.Write(p.data); err != nil || len(p.data) == 0 {
				_, _ = p.to.Close(), p.from.Close() // the other direction ends with them
			}
		case <-f.done:
			return
		}
	}
}
