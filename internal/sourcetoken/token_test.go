package sourcetoken_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/sourcetoken"
)

func testKey(b byte) []byte { return bytes.Repeat([]byte{b}, sourcetoken.MinKey) }

func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	token, err := sourcetoken.Sign(testKey(1), "acme", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	head, sum, _ := cutLast(token)
	raw, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys  [][]byte
		token string
		now   time.Time
		want  error
	}{
		"valid":              {[][]byte{testKey(1)}, token, now, nil},
		"last second":        {[][]byte{testKey(1)}, token, now.Add(59 * time.Second), nil},
		"older key":          {[][]byte{testKey(2), testKey(1)}, token, now, nil},
		"expired":            {[][]byte{testKey(1)}, token, now.Add(time.Minute), sourcetoken.ErrExpired},
		"other key":          {[][]byte{testKey(2)}, token, now, sourcetoken.ErrForged},
		"no keys":            {nil, token, now, sourcetoken.ErrForged},
		"other tenant":       {[][]byte{testKey(1)}, strings.Replace(token, "acme", "evil", 1), now, sourcetoken.ErrForged},
		"later expiry":       {[][]byte{testKey(1)}, strings.Replace(token, ".18", ".28", 1), now, sourcetoken.ErrForged},
		"no signature":       {[][]byte{testKey(1)}, head, now, sourcetoken.ErrForged},
		"empty signature":    {[][]byte{testKey(1)}, head + ".", now, sourcetoken.ErrForged},
		"half a signature":   {[][]byte{testKey(1)}, head + "." + base64.RawURLEncoding.EncodeToString(raw[:16]), now, sourcetoken.ErrForged},
		"broken into lines":  {[][]byte{testKey(1)}, token[:len(token)-5] + "\n" + token[len(token)-5:], now, sourcetoken.ErrForged},
		"longer signature":   {[][]byte{testKey(1)}, token + "AA", now, sourcetoken.ErrForged},
		"empty":              {[][]byte{testKey(1)}, "", now, sourcetoken.ErrForged},
		"only dots":          {[][]byte{testKey(1)}, "....", now, sourcetoken.ErrForged},
		"too long":           {[][]byte{testKey(1)}, strings.Repeat("a", 1<<16) + token, now, sourcetoken.ErrForged},
		"expired and forged": {[][]byte{testKey(2)}, token, now.Add(time.Hour), sourcetoken.ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sourcetoken.Verify(c.keys, c.token, c.now)
			if !errors.Is(err, c.want) {
				t.Fatalf("Verify = %q, %v; want error %v", got, err, c.want)
			}
			if want := map[bool]string{true: "acme"}[c.want == nil]; got != want {
				t.Errorf("Verify = %q, want %q", got, want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		key  []byte
		name string
	}{
		"short key":     {testKey(1)[:31], "acme"},
		"no key":        {nil, "acme"},
		"no name":       {testKey(1), ""},
		"separator":     {testKey(1), "acme.99999999999"},
		"control":       {testKey(1), "acme\n"},
		"not ASCII":     {testKey(1), "аcme"},
		"far too large": {testKey(1), strings.Repeat("a", 200)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := sourcetoken.Sign(c.key, c.name, at); !errors.Is(err, sourcetoken.ErrInput) || got != "" {
				t.Errorf("Sign = %q, %v; want ErrInput", got, err)
			}
		})
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	peers, err := sourcetoken.NewPeers(netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("fe80::/10"))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"10.200.0.1:443":            true,
		"[::ffff:10.0.0.1]:443":     true,
		"[fe80::1%eth0]:443":        true,
		"11.0.0.1:443":              false,
		"[::1]:443":                 false,
		"10.0.0.1":                  false,
		"@":                         false,
		"":                          false,
		"10.0.0.1:443, 11.0.0.1:80": false,
	} {
		if got := peers.Contain(addr); got != want {
			t.Errorf("Contain(%q) = %v, want %v", addr, got, want)
		}
	}
	var nobody sourcetoken.Peers
	if nobody.Contain("10.0.0.1:443") {
		t.Error("the zero Peers believes somebody")
	}
}

// Networks may be written as a dual-stack listener shows their hosts.
func TestPeersMappedIntoIPv6(t *testing.T) {
	t.Parallel()
	peers, err := sourcetoken.NewPeers(netip.MustParsePrefix("::ffff:10.0.0.0/104"), netip.MustParsePrefix("::ffff:192.0.2.7/128"))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"10.200.0.1:443": true, "[::ffff:10.0.0.1]:443": true, "192.0.2.7:1": true, "192.0.2.8:1": false, "11.0.0.1:443": false,
	} {
		if got := peers.Contain(addr); got != want {
			t.Errorf("Contain(%q) = %v, want %v", addr, got, want)
		}
	}
	for _, everybody := range []string{"::ffff:0.0.0.0/96", "::ffff:1.2.3.4/95", "::ffff:0:0/1"} {
		if _, err := sourcetoken.NewPeers(netip.MustParsePrefix(everybody)); err == nil {
			t.Errorf("%s was taken", everybody)
		}
	}
}

func TestNewPeersReportsEveryMistake(t *testing.T) {
	t.Parallel()
	if _, err := sourcetoken.NewPeers(); err == nil {
		t.Error("no networks were taken")
	}
	_, err := sourcetoken.NewPeers(netip.Prefix{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))
	if err == nil {
		t.Fatal("mistakes were taken")
	}
	for _, want := range []string{"not valid", "0.0.0.0/0 holds", "::/0 holds"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

// FuzzVerify checks that nothing but what Sign made is believed.
func FuzzVerify(f *testing.F) {
	at := time.Unix(1_800_000_000, 0)
	token, err := sourcetoken.Sign(testKey(1), "acme", at.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("v1..1.")
	f.Add(token[:len(token)-5] + "\r" + token[len(token)-5:])
	f.Add(strings.Replace(token, "acme", "globex", 1))
	f.Fuzz(func(t *testing.T, s string) {
		name, err := sourcetoken.Verify([][]byte{testKey(1)}, s, at)
		if err == nil && (s != token || name != "acme") {
			t.Fatalf("Verify(%q) = %q without Sign", s, name)
		}
	})
}

func cutLast(token string) (before, after string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	return token[:i], token[i+1:], i >= 0
}
