package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
)

// wire passes connections on, and keeps the parameters of every statement that
// goes by: it is somebody who reads the network.
type wire struct {
	listener net.Listener
	target   string
	middle   middle
	working  sync.WaitGroup

	mu      sync.Mutex
	seen    [][][]byte
	passed  bytes.Buffer // all bytes, of both sides
	secured bool         // a client and the server went on by TLS
}

// middle is what somebody on the wire does who can do more than read: the zero
// value does nothing.
type middle struct {
	strip bool             // tells clients that the server speaks no TLS
	as    *tls.Certificate // speaks TLS in its place, as somebody else
}

// tap returns a wire in front of a server, and the server's URL through it.
func tap(ctx context.Context, base string, m middle) (*wire, string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, "", errors.New("the server's URL cannot be parsed")
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	w := &wire{listener: l, target: u.Host, middle: m}
	w.working.Go(func() { w.accept(context.WithoutCancel(ctx)) })
	u.Host = l.Addr().String()
	return w, u.String(), nil
}

func (w *wire) accept(ctx context.Context) {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(ctx, "tcp", w.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.working.Go(func() { w.connect(ctx, client, server) })
	}
}

// connect passes on what the two say, until either ends.
func (w *wire) connect(ctx context.Context, client, server net.Conn) {
	greeted, secured, err := w.greet(ctx, client, server)
	if err != nil {
		_, _ = client.Close(), server.Close()
		return
	}
	w.working.Go(func() {
		_, _ = io.Copy(greeted, io.TeeReader(server, w)) // it ends with either side
		_ = client.Close()
	})
	from := io.TeeReader(greeted, w)
	if secured {
		_, _ = io.Copy(server, from) // likewise
	} else {
		_ = w.pass(from, server) // likewise
	}
	_ = server.Close()
}

// Write keeps what goes by.
func (w *wire) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed.Write(text)
}

// overheard is all that has gone by.
func (w *wire) overheard() (text string, secured bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed.String(), w.secured
}

// pass copies what the client sends, message by message.
func (w *wire) pass(client io.Reader, server io.Writer) error {
	for header := 4; ; header = 5 { // the first message has no type
		message := make([]byte, header)
		if _, err := io.ReadFull(client, message); err != nil {
			return err
		}
		rest := make([]byte, binary.BigEndian.Uint32(message[header-4:])-4)
		if _, err := io.ReadFull(client, rest); err != nil {
			return err
		}
		if header == 5 && message[0] == 'B' {
			w.keep(rest)
		}
		if _, err := server.Write(slices.Concat(message, rest)); err != nil {
			return err
		}
	}
}

// keep reads the parameters of a Bind message: two names, the formats, and the
// values with their lengths.
func (w *wire) keep(message []byte) {
	at := 0
	for range 2 {
		for message[at] != 0 {
			at++
		}
		at++
	}
	next := func() int {
		n := int(binary.BigEndian.Uint16(message[at:]))
		at += 2
		return n
	}
	at += 2 * next()
	values := make([][]byte, next())
	for i := range values {
		length := int(int32(binary.BigEndian.Uint32(message[at:]))) //nolint:gosec // G115: -1 is NULL
		at += 4
		if length >= 0 {
			values[i] = message[at : at+length]
			at += length
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, values)
}

// last returns the parameters of the latest statement whose parameters have
// these lengths.
func (w *wire) last(lengths ...int) [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, values := range slices.Backward(w.seen) {
		if fits(values, lengths) {
			return values
		}
	}
	return nil
}

func fits(values [][]byte, lengths []int) bool {
	if len(values) != len(lengths) {
		return false
	}
	for i, v := range values {
		if len(v) != lengths[i] {
			return false
		}
	}
	return true
}

// The gate's statements as they look on the wire.
func (w *wire) session() [][]byte { return w.last(4, 8, 8, 32) }
func (w *wire) bind() [][]byte    { return w.last(8, 8, 8, 1, 4) }
func (w *wire) token() [][]byte   { return w.last(4, 8, 8, 1, 4, 8, 32) }

func (w *wire) close() {
	_ = w.listener.Close()
	w.working.Wait()
}
