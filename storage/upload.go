package storage

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// Upload is a file that is about to be written, as [Options.Accept] sees it.
type Upload struct {
	// Key names the file.
	Key string
	// Declared is the content type that the caller gave, or that gocloud has
	// found where the caller gave none. It may be empty.
	Declared string
	// Sniffed is the content type that the first 512 bytes look like, as
	// browsers judge it.
	Sniffed string
}

// sniffLength is what http.DetectContentType looks at.
const sniffLength = 512

// accept asks whether a file may be written that begins with head.
func (b *Buckets) accept(ctx context.Context, key, declared string, head []byte) error {
	err := b.opts.Accept(ctx, Upload{Key: key, Declared: declared, Sniffed: http.DetectContentType(head)})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// Passive reports whether a content type, in lower case and without parameters,
// is one that browsers show and do not run: pictures that are no documents,
// sound, film, fonts, plain text, PDF, and what they save anyway. It is a list
// of what is known to be harmless and not of what is known to run: browsers
// learn to run more, and look into files whose type they do not know.
//
// Browsers show PDF in a viewer that keeps its scripts to itself.
func Passive(contentType string) bool {
	switch contentType {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/apng", "image/bmp", "image/tiff",
		"image/heic", "image/heif", "image/jxl", "image/x-icon", "image/vnd.microsoft.icon",
		"text/plain", "text/csv", "application/json", "application/pdf", "application/octet-stream":
		return true
	}
	family, name, _ := strings.Cut(contentType, "/")
	switch family {
	case "audio", "video", "font":
		return !strings.Contains(name, "xml")
	}
	return false
}

// inline reports whether files of a content type may be shown in place.
func (b *Buckets) inline(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && strings.Contains(kind, "/") && b.opts.Inline(kind)
}
