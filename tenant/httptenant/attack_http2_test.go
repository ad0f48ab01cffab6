package httptenant_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/partywall/partywall/tenant/httptenant"
)

// sendHTTP2 sends one request with the header fields given, as they are, and
// returns the status and the body of the answer.
func sendHTTP2(t *testing.T, addr string, fields ...hpack.HeaderField) (status, body string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true,
	}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status = f.PseudoValue("status")
		case *http2.DataFrame:
			body += string(f.Data())
		case *http2.RSTStreamFrame:
			return f.ErrCode.String(), body
		}
		if h := frame.Header(); h.StreamID == 1 && h.Flags.Has(http2.FlagDataEndStream) {
			return status, body
		}
	}
}

// HTTP/2 has the host in :authority, and can have it in a Host field again.
func TestAttack51AuthorityAndHost(t *testing.T) {
	t.Parallel()
	// The control trusts the field, as code that was written for HTTP/1 proxies
	// does, where both are the same.
	control := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := strings.CutSuffix(r.Header.Get("Host"), ".myapp.com")
		fmt.Fprint(w, name)
	}))
	guarded := guard(t, httptenant.Subdomain("myapp.com"), nil)
	request := func(more ...hpack.HeaderField) []hpack.HeaderField {
		return append([]hpack.HeaderField{
			{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: "/"}, {Name: ":authority", Value: "acme.myapp.com"},
		}, more...)
	}
	globex := request(hpack.HeaderField{Name: "host", Value: "globex.myapp.com"})
	if status, body := sendHTTP2(t, control, globex...); status != "200" || body != "globex" {
		t.Errorf("control: %s %q, want it to be fooled", status, body)
	}
	if status, body := sendHTTP2(t, guarded, globex...); status != "400" {
		t.Errorf("guarded: %s %q, want 400", status, body)
	}
	acme := request(hpack.HeaderField{Name: "host", Value: "acme.myapp.com"})
	for _, honest := range [][]hpack.HeaderField{request(), acme} {
		if status, body := sendHTTP2(t, guarded, honest...); status != "200" || body != "acme /" {
			t.Errorf("honest: %s %q", status, body)
		}
	}
}
