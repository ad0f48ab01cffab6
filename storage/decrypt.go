package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// object is a file as it is stored: under a name, which is another one in the
// trash, and written under a key, which it is tied to if it is sealed.
type object struct{ name, key string }

func (h *home) object(key string) object { return object{h.file(key), key} }

// maxOpenings bounds how often a file is opened that is replaced while it is.
const maxOpenings = 8

// decrypt opens a part of a sealed file. Reading fails with [ErrCorrupt] where
// the stored bytes are not what was written under this name. What is read has
// been authenticated; that the file goes no further, only at its end.
//
// A part from the midst takes two requests, between which the file may be
// replaced. Then it has another header, and is opened again.
func (b *Buckets) decrypt(ctx context.Context, h *home, o object, offset, length int64) (r *reader, err error) {
	if length > longest {
		length = -1 // to the end, and without sums that overflow
	}
	var before, head []byte
	for range maxOpenings {
		r, head, err = b.unlock(ctx, h, o, offset, length)
		if err == nil || ctx.Err() != nil || bytes.Equal(head, before) {
			return r, err
		}
		before = head
	}
	return r, err
}

// unlock opens a part of a sealed file once. When what it fails by may be that
// the file was replaced, head is the header that it had.
func (b *Buckets) unlock(ctx context.Context, h *home, o object, offset, length int64) (r *reader, head []byte, err error) {
	part := int64(-1)
	switch {
	case packageOf(offset) > 0:
		part = headLength // the content is asked for when the key is known
	case length >= 0:
		part = headLength + (packageOf(offset+length)+1)*sealedSize
	}
	in, err := h.bucket.NewRangeReader(ctx, o.name, 0, part)
	if err != nil {
		return nil, nil, h.short(ctx, o.name, err)
	}
	head, config, err := b.opener(ctx, h, o.key, in)
	if err == nil && in.Size() < shortest {
		err = fmt.Errorf("%w: it is too short", ErrCorrupt)
	}
	if err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	r = &reader{attrs: driver.ReaderAttributes{
		ContentType: in.ContentType(), ModTime: in.ModTime(), Size: plainSize(in.Size()),
	}}
	offset = min(offset, r.attrs.Size)
	toEnd := length < 0 || length >= r.attrs.Size-offset
	if part == headLength {
		in, config.SequenceNumber, err = h.further(ctx, o.name, in, offset, length, toEnd)
	}
	if err == nil {
		r.content, err = unseal(in, config, offset)
	}
	if err != nil {
		return nil, head, errors.Join(err, in.Close())
	}
	if !toEnd {
		r.content = io.LimitReader(r.content, length)
	}
	r.close = in.Close
	return r, nil, nil
}

// packageOf is the package to begin with to read from offset on: the one of the
// byte before, so that there is always one, also at the end of the file, and a
// byte of it to be authenticated by. It is the last one, too, of a part that
// ends before offset.
func packageOf(offset int64) int64 { return (offset + lead - 1) / packageSize }

// further closes a reader of the header, and opens one that begins with the
// package of offset, whose number is returned. Where the end is asked for, all
// is read up to it, so that it is authenticated too.
func (h *home) further(ctx context.Context, name string, head *shelfReader, offset, length int64, toEnd bool) (*shelfReader, uint32, error) {
	if err := head.Close(); err != nil {
		return head, 0, err
	}
	first, stored := packageOf(offset), int64(-1)
	if !toEnd {
		stored = (packageOf(offset+length) - first + 1) * sealedSize
	}
	in, err := h.bucket.NewRangeReader(ctx, name, headLength+first*sealedSize, stored)
	if err != nil {
		return head, 0, err
	}
	return in, uint32(first), nil //nolint:gosec // G115: the format ends at 2^32 packages
}

// short tells a file that is too short to have a header, which stores refuse to
// read a part of, from other errors.
func (h *home) short(ctx context.Context, name string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return err
	}
	if a, failed := h.bucket.Attributes(ctx, name); failed == nil && a.Size < shortest {
		return fmt.Errorf("%w: it is too short", ErrCorrupt)
	}
	return err
}

// opener reads a file's header, and finds what opens it.
func (b *Buckets) opener(ctx context.Context, h *home, key string, in io.Reader) ([]byte, sio.Config, error) {
	head := make([]byte, headLength)
	if _, err := io.ReadFull(in, head); err != nil || !bytes.HasPrefix(head, []byte(magic)) {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, sio.Config{}, err
		}
		return nil, sio.Config{}, fmt.Errorf("%w: it has no header", ErrCorrupt)
	}
	secret, err := b.opts.Keys.Key(ctx, h.tenant, binary.BigEndian.Uint32(head[len(magic):]))
	if err != nil {
		return nil, sio.Config{}, err
	}
	config, err := cipher(secret, head[len(magic)+4:], b.rules.bind(h.tenant, key))
	return head, config, err
}

// unseal reads what begins with the package of offset, from offset on.
func unseal(in io.Reader, config sio.Config, offset int64) (io.Reader, error) {
	content, err := sio.DecryptReader(in, config)
	if err == nil {
		_, err = io.CopyN(io.Discard, content, offset+lead-packageOf(offset)*packageSize)
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
