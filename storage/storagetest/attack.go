package storagetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/tenant"
)

// Secret is what attacks look for.
const Secret = "globex's secret"

// Scene is where an attack is played: acme's client attacks, globex has a file
// "secret" with [Secret] in it.
type Scene struct {
	Host         Host
	Catalog      *Catalog
	Acme, Globex tenant.Tenant
	// Redirect has the store's request, which a callback is shown by as, ask
	// for another name, and reports whether it was shown one.
	Redirect func(as func(any) bool, name string) bool
}

// NewScene puts the secret there. It fails if the host does not serve globex:
// an attack on what is not there proves nothing.
func NewScene(ctx context.Context, host Host, h *House) (*Scene, error) {
	s := &Scene{Host: host, Catalog: h.Catalog, Acme: h.Acme, Globex: h.Globex}
	s.Redirect = func(as func(any) bool, _ string) bool { return as(new(any)) }
	err := host.Write(s.as(ctx, s.Globex), "secret", "text/plain", []byte(Secret))
	return s, errors.Join(err, s.intact(ctx))
}

// as returns a context of a tenant's.
func (s *Scene) as(ctx context.Context, t tenant.Tenant) context.Context {
	return tenant.NewContext(tenant.Without(ctx), t)
}

// intact reports whether globex still has its file.
func (s *Scene) intact(ctx context.Context) error {
	got, err := s.Host.Read(s.as(ctx, s.Globex), "secret")
	if err == nil && string(got) != Secret {
		err = errors.New("storagetest: the victim's file has changed")
	}
	return err
}

// Attack is one way to get at the files of another tenant, or past what a
// tenant may do.
type Attack struct {
	// ID is the number in the list that the attack suite follows. A letter behind
	// it is a neighbour of that case.
	ID, Name string
	// Play plays it, and says how it got through; "" is that it did not.
	Play func(ctx context.Context, s *Scene) (breach string)
}

// Attacks are those that need nothing but a [Host].
func Attacks() []Attack {
	return []Attack{
		{"43", "a path out of the tenant", playPaths},
		{"43a", "a listing out of the tenant", playPrefixes},
		{"44", "a number that begins another", playNumbers},
		{"45", "a signed URL that lives for a week", playLife},
		{"45a", "a signed URL to write anything", playUpload},
		{"46", "a copy of another's file", playCopy},
		{"46a", "a bucket kept from another's request", playKept},
		{"46b", "a callback that is shown the store", playCallback},
		{"47", "an archive that unpacks elsewhere", playArchive},
		{"48", "a store in another region", playRegion},
		{"48a", "a store that says no region", playNowhere},
		{"54a", "a write by a suspended tenant", playSuspended},
		{"43b", "an upload that runs in the host's name", playActive},
	}
}

// Tricks are keys that one or the other store, library or browser reads as
// globex's secret, or as a name that is not what it looks like.
func Tricks() []string {
	return []string{
		"../../10/files/secret", "a/../../../10/files/secret", "./../../10/files/secret", "/../../10/files/secret",
		"..%2f..%2f10%2ffiles%2fsecret", "%2e%2e/%2e%2e/10/files/secret", "%252e%252e/x", `..\..\10\files\secret`,
		"．．/．．/10/files/secret", "‥/‥/10/files/secret", "..／..／10/files/secret", "a\x00/secret", "a//secret", "/secret", "secret/", ".", "..",
		"a/./b", "se\u200bcret", "\u202etxt.exe", "e\u0301", "a\nb", "\x7f", "a\u2028b", "\xff\xfe", "％２ｅ％２ｅ/secret", "a＼b", strings.Repeat("x", 1025),
	}
}

func playPaths(ctx context.Context, s *Scene) string {
	ctx = s.as(ctx, s.Acme)
	for _, key := range Tricks() {
		if got, err := s.Host.Read(ctx, key); err == nil {
			return "read " + printable(key) + ": " + string(got)
		}
		if err := s.Host.Write(ctx, key, "text/plain", []byte("acme was here")); err == nil {
			return "wrote " + printable(key)
		}
	}
	return ""
}

func playPrefixes(ctx context.Context, s *Scene) string {
	ctx = s.as(ctx, s.Acme)
	for _, prefix := range []string{"../", "../../10/", "a/../../10/", "%2e%2e/", "a//b", "a\x00"} {
		if keys, err := s.Host.List(ctx, prefix); err == nil {
			return "listed " + printable(prefix) + ": " + strings.Join(keys, " ")
		}
	}
	return ""
}

func playNumbers(ctx context.Context, s *Scene) string {
	if err := s.Host.Erase(ctx, s.Acme); err != nil {
		return ""
	}
	if err := s.intact(ctx); err != nil {
		return "acme's end was globex's: " + err.Error()
	}
	return ""
}

func playLife(ctx context.Context, s *Scene) string {
	_, err := s.Host.Sign(s.as(ctx, s.Acme), "file", &blob.SignedURLOptions{Expiry: 7 * 24 * time.Hour})
	if err == nil {
		return "a URL is good for a week"
	}
	return ""
}

func playUpload(ctx context.Context, s *Scene) string {
	_, err := s.Host.Sign(s.as(ctx, s.Acme), "file", &blob.SignedURLOptions{Method: "PUT", Expiry: time.Minute})
	if err == nil {
		return "a URL writes any content of any type"
	}
	return ""
}

func playCopy(ctx context.Context, s *Scene) string {
	ctx = s.as(ctx, s.Acme)
	for _, src := range Tricks() {
		if err := s.Host.Copy(ctx, "mine", src); err != nil {
			continue
		}
		if got, err := s.Host.Read(ctx, "mine"); err == nil {
			return "copied " + printable(src) + ": " + string(got)
		}
	}
	if err := s.Host.Write(ctx, "mine", "text/plain", []byte("acme's")); err != nil {
		return ""
	}
	if err := s.Host.Copy(ctx, "../../10/files/planted", "mine"); err == nil {
		return "planted a file"
	}
	return ""
}

func playKept(ctx context.Context, s *Scene) string {
	b, err := s.Host.Handle(s.as(ctx, s.Globex))
	if err != nil {
		return ""
	}
	if err := s.Host.Write(s.as(ctx, s.Acme), "own", "text/plain", []byte("acme's")); err != nil {
		return ""
	}
	for _, key := range []string{"secret", "own", "tenants/10/files/secret"} {
		if got, err := b.ReadAll(s.as(ctx, s.Acme), key); err == nil {
			return "read by globex's bucket as acme: " + string(got)
		}
	}
	if _, err := b.ReadAll(tenant.Without(ctx), "secret"); err == nil {
		return "read as nobody"
	}
	return ""
}

func playCallback(ctx context.Context, s *Scene) string {
	ctx = s.as(ctx, s.Acme)
	b, err := s.Host.Handle(ctx)
	if err != nil {
		return ""
	}
	if err := s.Host.Write(ctx, "file", "text/plain", []byte("acme's")); err != nil {
		return ""
	}
	shown := false
	in, err := b.NewReader(ctx, "file", &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		shown = s.Redirect(as, "tenants/10/files/secret")
		return nil
	}})
	switch {
	case err != nil && shown:
		return "was shown the request"
	case err != nil:
		return ""
	}
	got, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err == nil && string(got) == Secret || shown {
		return "changed the request, and read: " + string(got)
	}
	return ""
}

func playArchive(ctx context.Context, s *Scene) string {
	for _, head := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "../../10/files/planted"},
		{Typeflag: tar.TypeReg, Name: `..\..\10\files\planted`},
		{Typeflag: tar.TypeReg, Name: "/planted"},
		{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "../../10/files/secret"},
	} {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		if err := errors.Join(w.WriteHeader(&head), w.Close()); err != nil {
			return ""
		}
		if err := s.Host.Import(ctx, s.Acme, &archive); err == nil {
			return "took " + printable(head.Name)
		}
	}
	if keys, err := s.Host.List(s.as(ctx, s.Globex), ""); err != nil || slices.Contains(keys, "planted") {
		return "planted a file"
	}
	return ""
}

func playRegion(ctx context.Context, s *Scene) string {
	there := s.Catalog.Change(s.Acme.ID, func(t *tenant.Tenant) { t.Region = "mars" })
	if err := s.Host.Write(s.as(ctx, there), "file", "text/plain", []byte("x")); err == nil {
		return "a tenant of one region has a file in another"
	}
	return ""
}

func playNowhere(ctx context.Context, s *Scene) string {
	there := s.Catalog.Change(s.Acme.ID, func(t *tenant.Tenant) { t.Region, t.Placement.Bucket = "mars", "nowhere" })
	if err := s.Host.Write(s.as(ctx, there), "file", "text/plain", []byte("x")); err == nil {
		return "a tenant of a region has a file nobody knows where"
	}
	return ""
}

func playSuspended(ctx context.Context, s *Scene) string {
	old := tenant.Admit(tenant.Without(ctx), s.Acme) // made before
	s.Catalog.Change(s.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Suspended })
	if err := s.Host.Write(old, "file", "text/plain", []byte("x")); err == nil {
		return "a suspended tenant wrote"
	}
	return ""
}

func playActive(ctx context.Context, s *Scene) string {
	ctx = s.as(ctx, s.Acme)
	for _, kind := range []string{"text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml", "text/javascript", "application/unknown"} {
		if err := s.Host.Write(ctx, "page", kind, []byte("<script>")); err != nil {
			continue
		}
		if how, err := s.Host.Disposition(ctx, "page"); err == nil && how != "attachment" {
			return kind + " is shown in place"
		}
	}
	return ""
}

// printable cuts a key to what fits a line.
func printable(key string) string {
	if len(key) > 60 {
		key = key[:60] + "…"
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' {
			return '·'
		}
		return r
	}, key), "·")
}
