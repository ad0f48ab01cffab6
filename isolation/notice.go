package isolation

import (
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// drainChannel is where nodes are asked to give a tenant's leases back.
const drainChannel = "partywall_drain"

// notice asks every node to give a tenant's leases back. Anybody who can say
// NOTIFY could send one, and have tenants pay for new connections: so it is
// signed.
type notice struct {
	key     int32
	number  int64
	expires int64 // Unix time
}

// noticeLife is how long a notice is believed: it is sent again and again
// while somebody is waiting.
const noticeLife = 60 * time.Second

// purposeNotice is what a notice's signature is about; see purposeSession.
const purposeNotice = 'n'

func (k Key) signNotice(n notice) []byte {
	b := make([]byte, 0, 17)
	b = append(b, purposeNotice)
	b = binary.BigEndian.AppendUint64(b, uint64(n.number))  //nolint:gosec // G115: the bits, not the value
	b = binary.BigEndian.AppendUint64(b, uint64(n.expires)) //nolint:gosec // G115: as above
	return k.sign(b)
}

// write is the notice as it is sent.
func (n notice) write(k Key) string {
	return fmt.Sprintf("%d.%d.%d.%x", k.ID, n.number, n.expires, k.signNotice(n))
}

// maxNotice is more than any notice needs, in bytes.
const maxNotice = 160

// readNotice takes apart what somebody has sent, and its signature.
func readNotice(payload string) (n notice, mac []byte, ok bool) {
	parts := strings.Split(payload, ".")
	if len(payload) > maxNotice || len(parts) != 4 {
		return n, nil, false
	}
	key, keyErr := strconv.ParseInt(parts[0], 10, 32)
	number, numberErr := strconv.ParseInt(parts[1], 10, 64)
	expires, expiresErr := strconv.ParseInt(parts[2], 10, 64)
	mac, macErr := hex.DecodeString(parts[3])
	if keyErr != nil || numberErr != nil || expiresErr != nil || macErr != nil {
		return n, nil, false
	}
	return notice{key: int32(key), number: number, expires: expires}, mac, true
}

// by reports whether the notice is good now and signed with a key.
func (n notice) by(k Key, mac []byte, now time.Time) bool {
	return n.key == k.ID && hmac.Equal(mac, k.signNotice(n)) && now.Unix() <= n.expires
}
