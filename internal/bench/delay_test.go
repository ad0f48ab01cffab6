package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestFar sends through a distance to a server that says everything back, and
// wants it whole, in order, and no sooner than a round trip allows.
func TestFar(t *testing.T) {
	t.Parallel()
	const rtt = 20 * time.Millisecond
	echo, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = echo.Close() }()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	f, err := openFar(t.Context(), echo.Addr().String(), rtt)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", f.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, text := range []string{"one", "two", "three"} {
		began := time.Now()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, len(text))
		if _, err := io.ReadFull(conn, back); err != nil || string(back) != text {
			t.Fatalf("came back as %q, %v, want %q", back, err, text)
		}
		if took := time.Since(began); took < rtt {
			t.Errorf("%q took %v, want %v or more", text, took, rtt)
		}
	}
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.CloseWrite() != nil {
		t.Fatal("not closed for writing")
	}
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v, want nothing", rest, err)
	}
}
