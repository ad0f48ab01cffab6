package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"
)

// Codec turns values into bytes and back. Its methods are called by many
// goroutines at once.
type Codec interface {
	// Marshal returns v as bytes.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads bytes into what v points to.
	Unmarshal(data []byte, v any) error
}

// jsonCodec is encoding/json.
type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error) { return json.Marshal(v) } //nolint:wrapcheck // the caller does

func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) } //nolint:wrapcheck // as above

// entry is what is kept of a value: when it is no longer fresh, and the value,
// or that there is none.
type entry struct {
	fresh time.Time
	none  bool
	data  []byte
}

// The first byte tells an entry from what others have written; the second what
// it holds.
const (
	entryMark  = 0xB1
	entryValue = 1
	entryNone  = 2
	entryHead  = 10
)

var errEntry = errors.New("cache: what is there was not written by Set")

func (e *entry) encode() []byte {
	out := make([]byte, entryHead, entryHead+len(e.data))
	out[0], out[1] = entryMark, entryValue
	if e.none {
		out[1] = entryNone
	}
	binary.BigEndian.PutUint64(out[2:], uint64(e.fresh.UnixMilli()))
	return append(out, e.data...)
}

func decodeEntry(data []byte) (entry, error) {
	if len(data) < entryHead || data[0] != entryMark || data[1] != entryValue && data[1] != entryNone {
		return entry{}, errEntry
	}
	millis := int64(binary.BigEndian.Uint64(data[2:])) //nolint:gosec // G115: the bits, not the value
	return entry{fresh: time.UnixMilli(millis), none: data[1] == entryNone, data: data[entryHead:]}, nil
}
