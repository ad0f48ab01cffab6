package storage

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"

	"github.com/partywall/partywall/tenant"
)

// What a tar cannot say of a file by itself goes into PAX records under these
// names.
const (
	paxType     = "PARTYWALL.type"
	paxMetadata = "PARTYWALL.metadata."
)

// maxRecords bounds what an archive may say of one file.
const maxRecords = 64

// Export writes t's files to w as a tar archive, in the order of their names,
// with their content types and metadata. Encrypted files are in it as the
// tenant sees them. What is in the trash is not.
func (b *Buckets) Export(ctx context.Context, t tenant.Tenant, w io.Writer) error {
	h, err := b.at(ctx, t)
	if err != nil {
		return err
	}
	defer h.release()
	archive := tar.NewWriter(w)
	err = h.bucket.files(ctx, h.file(""), func(o *blob.ListObject) error {
		return b.pack(ctx, h, archive, strings.TrimPrefix(o.Key, h.file("")))
	})
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		return fmt.Errorf("storage: exporting tenant %s: %w", t.ID, err)
	}
	return nil
}

// pack writes one file into an archive.
func (b *Buckets) pack(ctx context.Context, h *home, archive *tar.Writer, key string) error {
	a, err := h.bucket.Attributes(ctx, h.file(key))
	if err != nil {
		return err
	}
	in, err := b.read(ctx, h, h.object(key), 0, -1)
	if err != nil {
		return err
	}
	head := &tar.Header{
		Typeflag: tar.TypeReg, Format: tar.FormatPAX, Name: key, Size: in.attrs.Size, Mode: 0o600, ModTime: a.ModTime,
		PAXRecords: map[string]string{paxType: a.ContentType},
	}
	for name, value := range a.Metadata {
		if !strings.ContainsAny(name, "=\x00") && !strings.Contains(value, "\x00") { // which PAX cannot say
			head.PAXRecords[paxMetadata+name] = value
		}
	}
	err = archive.WriteHeader(head)
	if err == nil {
		_, err = io.Copy(archive, in)
	}
	b.count(ctx, h.tenant, Traffic{Reads: 1, Out: in.out})
	return errors.Join(err, in.Close())
}

// Import writes the files of a tar archive as t's, over what is there. Keys,
// types and quota are checked as in any write, so that no archive gets out of
// t's place; what is not a plain file fails with [ErrArchive]. Files that came
// before the one that failed are there; it may be repeated. It works for
// tenants of any status, before they are active too.
func (b *Buckets) Import(ctx context.Context, t tenant.Tenant, r io.Reader) error {
	archive := tar.NewReader(r)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArchive, err)
		}
		if err := b.unpack(ctx, t, head, archive); err != nil {
			return fmt.Errorf("storage: importing for tenant %s: %w", t.ID, err)
		}
	}
}

// unpack writes one file of an archive.
func (b *Buckets) unpack(ctx context.Context, t tenant.Tenant, head *tar.Header, in io.Reader) error {
	switch {
	case head.Typeflag != tar.TypeReg:
		return fmt.Errorf("%w: an entry of type %q is no plain file", ErrArchive, head.Typeflag)
	case len(head.PAXRecords) > maxRecords:
		return fmt.Errorf("%w: an entry has %d records", ErrArchive, len(head.PAXRecords))
	}
	if err := b.rules.key(head.Name); err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	opts := &driver.WriterOptions{Metadata: map[string]string{}}
	for name, value := range head.PAXRecords {
		if name, ok := strings.CutPrefix(name, paxMetadata); ok {
			opts.Metadata[strings.ToLower(name)] = value
		}
	}
	if _, err := b.reserve(ctx, t); err != nil { // so that the ledger knows t
		return err
	}
	// Nobody moves the tenant meanwhile: no status would stop this write then.
	if err := b.writers.enter(ctx, t.ID); err != nil {
		return err
	}
	defer b.writers.leave(t.ID)
	h, err := b.at(ctx, t)
	if err != nil {
		return err
	}
	h.byHost = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kind := head.PAXRecords[paxType]
	if kind == "" {
		kind = "application/octet-stream"
	}
	out, err := b.write(ctx, h, head.Name, kind, opts)
	if err != nil {
		h.release()
		return err
	}
	n, err := io.Copy(out, in)
	if err == nil && n != head.Size {
		err = fmt.Errorf("%w: it ends early", ErrArchive)
	}
	if err != nil {
		cancel() // or Close would keep the half
		return errors.Join(err, dismiss(out))
	}
	return out.Close()
}

// dismiss closes a writer whose context has ended. Its error is that.
func dismiss(w io.Closer) error {
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
