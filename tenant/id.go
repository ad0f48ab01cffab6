package tenant

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ID names a tenant for ever: a UUID (RFC 9562). Those made here are of version
// 7 (section 5.7), so that IDs made later sort later; one that a tenant brings
// along from elsewhere may be of any version. The zero ID names nobody and is
// refused everywhere.
//
// An ID is what leaves the installation, in URLs, events and tokens. Rows
// carry the shorter [Tenant.Number] instead.
type ID [16]byte

// NewID returns a fresh ID for the time at, which the caller takes from its
// clock. Two IDs of the same millisecond differ in 74 random bits.
func NewID(at time.Time) ID {
	var id ID
	rand.Read(id[6:]) // crypto/rand.Read never fails; it ends the program instead
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = 0x70 | id[6]&0x0f // version 7
	id[8] = 0x80 | id[8]&0x3f // RFC 9562 variant
	return id
}

// ParseID reads the 36 characters that [ID.String] writes, in either case. It
// fails with [ErrInvalid] for any other text, and for the zero UUID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, invalid("id", s, "want a UUID such as 01976a3e-5f00-7000-8000-000000000000")
	}
	compact := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(compact)); err != nil {
		return ID{}, invalid("id", s, "has a character that is not hexadecimal")
	}
	if id.IsZero() {
		return ID{}, invalid("id", s, "is zero, which is nobody")
	}
	return id, nil
}

// String returns the canonical 36-character form, in lower case.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// IsZero reports whether id names nobody.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements [encoding.TextMarshaler].
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseID].
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// Value implements [driver.Valuer]: an ID is stored as its text, which
// PostgreSQL reads as uuid.
func (id ID) Value() (driver.Value, error) { return id.String(), nil }

// Scan implements database/sql.Scanner for the text of a UUID or its 16 bytes.
// It fails as [ParseID] does, and for NULL: no tenant is no ID.
func (id *ID) Scan(src any) error {
	switch src := src.(type) {
	case string:
		return id.UnmarshalText([]byte(src))
	case []byte:
		if len(src) == len(id) {
			return id.UnmarshalText([]byte(ID(src).String()))
		}
		return id.UnmarshalText(src)
	default:
		return fmt.Errorf("tenant: cannot scan %T into an ID", src)
	}
}
