package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// signer is a signing key, in the hands of somebody who tests what it is good
// for.
type signer struct {
	id     int32
	secret []byte
}

// key reads the key of the database that the victim's rows are in.
func (s *scene) key(ctx context.Context) (k signer, err error) {
	conn, err := pgx.Connect(ctx, s.house.url("", s.database(s.victim)))
	if err != nil {
		return k, err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing was changed
	err = conn.QueryRow(ctx, `SELECT id, secret FROM partywall.key ORDER BY id DESC LIMIT 1`).Scan(&k.id, &k.secret)
	return k, err
}

func (k signer) sign(parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(slices.Concat(parts...))
	return mac.Sum(nil)
}

// token are the parameters that let a tenant in for one transaction.
func (k signer) token(number, epoch, expires int64) [][]byte {
	mac := k.sign([]byte{'t'}, int8s(number), int8s(epoch), []byte{0}, int8s(expires))
	return [][]byte{int4s(k.id), int8s(number), int8s(epoch), {0}, int4s(-1), int8s(expires), mac}
}

// session are the parameters that give a backend its secret.
func (k signer) session(secret int64, pid uint32, expires int64) [][]byte {
	pids := binary.BigEndian.AppendUint32(nil, pid)
	return [][]byte{int4s(k.id), int8s(secret), int8s(expires), k.sign([]byte{'s'}, int8s(secret), pids, int8s(expires))}
}

func int8s(n int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n)) //nolint:gosec // G115: the bits, not the value
}

func int4s(n int32) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(n)) //nolint:gosec // G115: as above
}

// literally is a gate's statement with its parameters written into it.
func literally(sql string, params [][]byte) string {
	var pairs []string
	for i, value := range params {
		text := fmt.Sprintf(`'\x%x'::bytea`, value)
		switch len(value) {
		case 1:
			text = fmt.Sprint(value[0] == 1)
		case 4:
			text = fmt.Sprint(int32(binary.BigEndian.Uint32(value))) //nolint:gosec // G115: the bits, not the value
		case 8:
			text = fmt.Sprintf("'%d'::bigint", int64(binary.BigEndian.Uint64(value))) //nolint:gosec // G115: as above
		}
		pairs = append(pairs, fmt.Sprintf("$%d", i+1), text)
	}
	return strings.NewReplacer(pairs...).Replace(sql)
}
