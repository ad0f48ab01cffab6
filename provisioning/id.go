package provisioning

import (
	"database/sql/driver"
	"time"

	"github.com/partywall/partywall/tenant"
)

// ID names an operation: a UUID of version 7 (RFC 9562), so that later
// operations sort later. The zero ID names none.
type ID [16]byte

func newID(at time.Time) ID { return ID(tenant.NewID(at)) }

// ParseID reads what [ID.String] writes. It fails with [ErrInvalid].
func ParseID(s string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(s))
	return id, err
}

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the canonical 36 characters.
func (id ID) String() string { return tenant.ID(id).String() }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return tenant.ID(id).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler. It fails as [ParseID] does.
func (id *ID) UnmarshalText(text []byte) error {
	if err := (*tenant.ID)(id).UnmarshalText(text); err != nil {
		return invalid("id: not the ID of an operation")
	}
	return nil
}

// Scan implements sql.Scanner.
func (id *ID) Scan(src any) error { return (*tenant.ID)(id).Scan(src) }

// Value implements driver.Valuer.
func (id ID) Value() (driver.Value, error) { return tenant.ID(id).Value() }
