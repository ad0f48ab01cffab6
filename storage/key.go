package storage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxKey is how many bytes a key may have. S3, GCS and Azure end at 1024, and
// the wall's own prefix, and a trash's, come on top.
const MaxKey = 800

// CheckKey reports whether key may name a file. It fails with a [*KeyError].
//
// The rules leave no two ways to write one name, and no name that some store,
// browser or file system reads as another place: valid UTF-8 in Normalization
// Form C; no control, format or separator characters; no backslash; nothing
// that reads as percent-encoding; segments between slashes that are neither
// empty nor dots, also when compatibility characters are replaced by what they
// stand for. And no name that folders give to a file while it is being written.
func CheckKey(key string) error {
	if key == "" {
		return &KeyError{"is empty"}
	}
	if err := checkText(key); err != nil {
		return err
	}
	if temporary(key) {
		return &KeyError{"ends as temporary files do"}
	}
	for segment := range strings.SplitSeq(plain(key), "/") {
		switch segment {
		case "":
			return &KeyError{"has an empty segment, or begins or ends with a slash"}
		case ".", "..":
			return &KeyError{"has a segment of dots"}
		}
	}
	return nil
}

// temporary reports whether a name ends as those of fileblob's do that are not
// files yet: ".18eb3aa6a4dbe370.tmp", by the time. They are in listings.
func temporary(name string) bool {
	name, ok := strings.CutSuffix(name, ".tmp")
	digits := name[strings.LastIndexByte(name, '.')+1:]
	return ok && len(digits) == 16 && len(digits) < len(name) && strings.Trim(digits, "0123456789abcdef") == ""
}

// checkPrefix is CheckKey for what a listing begins with: it may be empty, and
// may end anywhere in a key.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if err := checkText(prefix); err != nil {
		return err
	}
	segments := strings.Split(plain(prefix), "/")
	for i, segment := range segments {
		switch {
		case segment == "" && i < len(segments)-1:
			return &KeyError{"has an empty segment"}
		case segment == "." || segment == "..":
			return &KeyError{"has a segment of dots"}
		}
	}
	return nil
}

// checkText checks what holds for each character of a key.
func checkText(key string) error {
	switch {
	case len(key) > MaxKey:
		return &KeyError{"is too long"}
	case !utf8.ValidString(key):
		return &KeyError{"is not UTF-8"}
	case !norm.NFC.IsNormalString(key):
		return &KeyError{"is not in Normalization Form C"}
	case encoded(key):
		return &KeyError{"reads as percent-encoding"}
	}
	for _, r := range key {
		switch {
		case r == '\\':
			return &KeyError{"has a backslash"}
		case r == utf8.RuneError:
			return &KeyError{"has a replacement character"}
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
			return &KeyError{"has a control, format or separator character"}
		}
	}
	folded := plain(key)
	if strings.Count(folded, "/") != strings.Count(key, "/") || strings.ContainsRune(folded, '\\') || encoded(folded) {
		return &KeyError{"has a character that others read as a slash, a backslash or a percent sign"}
	}
	return nil
}

// plain replaces compatibility characters, such as full-width dots, by what
// they stand for.
func plain(key string) string {
	if ascii(key) {
		return key
	}
	return norm.NFKC.String(key)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// encoded reports whether a percent sign and two hexadecimal digits are in key.
// Whoever decodes such a key once more than we do would name another file.
func encoded(key string) bool {
	for i := 0; i+2 < len(key); i++ {
		if key[i] == '%' && hexDigit(key[i+1]) && hexDigit(key[i+2]) {
			return true
		}
	}
	return false
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
