package storage

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"
	"gocloud.dev/blob/driver"

	"github.com/partywall/partywall/tenant"
)

// Keys hold the keys of tenants. A tenant whose keys are gone has no files any
// more, wherever copies of them are.
//
// Each file has a key of its own, derived from the tenant's and from the
// tenant's ID and the file's name, so that what was stored as one file cannot
// be read as another. Contents are sealed; names, sizes, times, content types and metadata
// are not.
type Keys interface {
	// Current returns the key that new files of t are encrypted by, 32 bytes of
	// randomness, and the number it has.
	Current(ctx context.Context, t tenant.Tenant) (key []byte, number uint32, err error)
	// Key returns t's key of the number given, which may be an earlier one.
	Key(ctx context.Context, t tenant.Tenant, number uint32) ([]byte, error)
}

// A file is stored as a header and DARE 2.0 packages of 64 KiB, which are what
// sio makes. The content begins one byte later than the tenant's, so that there
// is at least one package: an empty file can be authenticated too.
const (
	magic       = "PWF1"
	saltLength  = 32
	headLength  = int64(len(magic) + 4 + saltLength)
	packageSize = int64(64 << 10)
	sealedSize  = packageSize + 32
	lead        = 1
	shortest    = headLength + 32 + lead
	longest     = packageSize << 32 // which is where the format ends
)

// plainSize is how long the content is of a file that is stored in n bytes. A
// file that cannot be one of ours counts as empty.
func plainSize(n int64) int64 {
	size, err := sio.DecryptedSize(uint64(max(0, n-headLength)))
	if err != nil || size < lead {
		return 0
	}
	return int64(size) - lead //nolint:gosec // G115: smaller than n
}

// bind ties a file to its tenant and its name. IDs are of one length, so there
// is one way to read it.
func bind(t tenant.Tenant, name string) string {
	return "partywall storage 1\x00" + t.ID.String() + "\x00" + name
}

// cipher is how a file is sealed: by the tenant's key, what it is tied to, and
// a salt of its own.
func cipher(key, salt []byte, tied string) (sio.Config, error) {
	if len(key) != 32 {
		return sio.Config{}, errors.New("storage: a key of a tenant is not 32 bytes")
	}
	derived, err := hkdf.Key(sha256.New, key, salt, tied, 32)
	if err != nil {
		return sio.Config{}, fmt.Errorf("storage: %w", err)
	}
	return sio.Config{MinVersion: sio.Version20, MaxVersion: sio.Version20, CipherSuites: []byte{sio.AES_256_GCM}, Key: derived}, nil
}

// encrypt returns a writer whose content goes, sealed, to out.
func (b *Buckets) encrypt(ctx context.Context, t tenant.Tenant, name string, out io.Writer) (io.WriteCloser, error) {
	key, number, err := b.opts.Keys.Current(ctx, t)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails
	config, err := cipher(key, salt, b.rules.bind(t, name))
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32([]byte(magic), number)
	if _, err := out.Write(append(head, salt...)); err != nil {
		return nil, err
	}
	sealed, err := sio.EncryptWriter(out, config)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	_, err = sealed.Write(make([]byte, lead))
	return sealed, err
}

// recrypt copies a sealed file to another name, under which the stored bytes
// could not be read.
func (w *wall) recrypt(ctx context.Context, h *home, dst, src string) error {
	a, err := h.bucket.Attributes(ctx, h.file(src))
	if err != nil {
		return err
	}
	in, err := w.NewRangeReader(ctx, src, 0, -1, &driver.ReaderOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := w.NewTypedWriter(ctx, dst, a.ContentType, &driver.WriterOptions{
		CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition, ContentEncoding: a.ContentEncoding,
		ContentLanguage: a.ContentLanguage, Metadata: a.Metadata,
	})
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	if err != nil {
		cancel() // or Close would keep the half
	}
	return errors.Join(err, out.Close(), in.Close())
}
