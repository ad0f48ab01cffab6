package storage

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

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

// decrypt opens a part of a sealed file. Reading fails with [ErrCorrupt] where
// the stored bytes are not what was written under this name. What is read has
// been authenticated; that the file goes no further, only at its end.
func (b *Buckets) decrypt(ctx context.Context, h *home, key string, offset, length int64) (*reader, error) {
	if length > longest {
		length = -1 // to the end, and without sums that overflow
	}
	part := int64(-1)
	switch {
	case packageOf(offset) > 0:
		part = headLength // the content is asked for when the key is known
	case length >= 0:
		part = headLength + (packageOf(offset+length)+1)*sealedSize
	}
	in, err := h.bucket.NewRangeReader(ctx, h.file(key), 0, part, nil)
	if err != nil {
		return nil, h.short(ctx, key, err)
	}
	config, err := b.opener(ctx, h, key, in)
	if err == nil && in.Size() < shortest {
		err = fmt.Errorf("%w: it is too short", ErrCorrupt)
	}
	r := &reader{
		buckets: b, tenant: h.tenant, ctx: ctx, content: bytes.NewReader(nil),
		attrs: driver.ReaderAttributes{ContentType: in.ContentType(), ModTime: in.ModTime(), Size: plainSize(in.Size())},
	}
	offset = min(offset, r.attrs.Size)
	toEnd := length < 0 || length >= r.attrs.Size-offset
	if err == nil && part == headLength {
		in, config.SequenceNumber, err = h.further(ctx, key, in, offset, length, toEnd)
	}
	if err == nil {
		r.content, err = unseal(in, config, offset)
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if !toEnd {
		r.content = io.LimitReader(r.content, length)
	}
	r.close = func() error {
		defer h.release()
		return in.Close()
	}
	return r, nil
}

// packageOf is the package that a byte of the content is in.
func packageOf(offset int64) int64 { return (offset + lead) / packageSize }

// further closes a reader of the header, and opens one that begins with the
// package of offset, whose number is returned. Where the end is asked for, all
// is read up to it, so that it is authenticated too.
func (h *home) further(ctx context.Context, key string, head *blob.Reader, offset, length int64, toEnd bool) (*blob.Reader, uint32, error) {
	if err := head.Close(); err != nil {
		return head, 0, err
	}
	first, stored := packageOf(offset), int64(-1)
	if !toEnd {
		stored = (packageOf(offset+length) - first + 1) * sealedSize
	}
	in, err := h.bucket.NewRangeReader(ctx, h.file(key), headLength+first*sealedSize, stored, nil)
	if err != nil {
		return head, 0, err
	}
	return in, uint32(first), nil //nolint:gosec // G115: the format ends at 2^32 packages
}

// short tells a file that is too short to have a header, which stores refuse to
// read a part of, from other errors.
func (h *home) short(ctx context.Context, key string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return err
	}
	if a, failed := h.bucket.Attributes(ctx, h.file(key)); failed == nil && a.Size < shortest {
		return fmt.Errorf("%w: it is too short", ErrCorrupt)
	}
	return err
}

// opener reads a file's header.
func (b *Buckets) opener(ctx context.Context, h *home, name string, in io.Reader) (sio.Config, error) {
	head := make([]byte, headLength)
	if _, err := io.ReadFull(in, head); err != nil || !bytes.HasPrefix(head, []byte(magic)) {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return sio.Config{}, err
		}
		return sio.Config{}, fmt.Errorf("%w: it has no header", ErrCorrupt)
	}
	key, err := b.opts.Keys.Key(ctx, h.tenant, binary.BigEndian.Uint32(head[len(magic):]))
	if err != nil {
		return sio.Config{}, err
	}
	return cipher(key, head[len(magic)+4:], b.rules.bind(h.tenant, name))
}

// unseal reads what begins with the package of offset, from offset on.
func unseal(in io.Reader, config sio.Config, offset int64) (io.Reader, error) {
	content, err := sio.DecryptReader(in, config)
	if err == nil {
		_, err = io.CopyN(io.Discard, content, (offset+lead)%packageSize)
	}
	return authentic{content}, corrupt(err)
}

// authentic gives the errors of a sealed file their name.
type authentic struct{ io.Reader }

func (r authentic) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	return n, corrupt(err)
}

// corrupt tells what is wrong with the bytes from what is wrong with the way to
// them.
func corrupt(err error) error {
	var broken sio.Error
	if errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
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
