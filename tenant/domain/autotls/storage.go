package autotls

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Bounds of what is stored.
const (
	maxKey   = 1024
	maxValue = 1 << 20
)

// storage is a [certmagic.Storage] on PostgreSQL: files by name whose values are
// sealed, and locks as leases. Names use certmagic's layout, so that what is in
// it can be used by whatever is built on certmagic.
type storage struct {
	pool   *pgxpool.Pool
	sealer Sealer
	holder string
	lease  time.Duration

	mu    sync.Mutex
	holds map[string][]*hold // by name, those first that were taken first
}

var (
	_ certmagic.Storage          = (*storage)(nil)
	_ certmagic.TryLocker        = (*storage)(nil)
	_ certmagic.LockLeaseRenewer = (*storage)(nil)
)

func newStorage(pool *pgxpool.Pool, sealer Sealer, holder string, lease time.Duration) *storage {
	return &storage{pool: pool, sealer: sealer, holder: holder, lease: lease, holds: map[string][]*hold{}}
}

// querier is a pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func checkKey(key string) error {
	switch {
	case key == "" || len(key) > maxKey:
		return invalid("storage key of %d bytes", len(key))
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return invalid("storage key is not UTF-8 text")
	case path.Clean(key) != key || strings.HasPrefix(key, "/") || strings.HasPrefix(key, ".."):
		return invalid("storage key %q is no clean path", key)
	}
	return nil
}

// Store implements [certmagic.Storage]. While this process holds, or has lost,
// the lock under which certmagic works on the host of a certificate, its files
// can be written only as long as the lock is held.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	return s.put(ctx, s.pool, s.fence(key), key, value)
}

// put writes one value, if h is nil or still held, by one statement: the lock's
// row stays locked until the end of the transaction.
func (s *storage) put(ctx context.Context, q querier, h *hold, key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > maxValue {
		return invalid("value of %d bytes for %q", len(value), key)
	}
	sealed, err := s.sealer.Seal(ctx, value, []byte(key))
	if err != nil {
		return fmt.Errorf("autotls: sealing %q: %w", key, err)
	}
	done, err := q.Exec(ctx, `
		WITH held AS (SELECT 1 FROM partywall_tls.lock WHERE name = $4 AND token = $5 AND lease_until > clock_timestamp() FOR SHARE)
		INSERT INTO partywall_tls.item (key, value, size) SELECT $1, $2, $3 WHERE $5 = 0 OR EXISTS (SELECT FROM held)
		ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, size = EXCLUDED.size, modified_at = EXCLUDED.modified_at`,
		key, sealed, len(value), h.lockName(), h.lockToken())
	if err == nil && done.RowsAffected() == 0 {
		err = ErrLockLost
	}
	if err != nil {
		return fmt.Errorf("autotls: storing %q: %w", key, err)
	}
	return nil
}

// Load implements [certmagic.Storage]. It fails with [ErrTampered] for a value
// that was changed, or brought there from another key.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	var sealed []byte
	err := s.pool.QueryRow(ctx, `SELECT value FROM partywall_tls.item WHERE key = $1`, key).Scan(&sealed)
	if err == nil {
		return s.open(ctx, key, sealed)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return nil, fmt.Errorf("autotls: loading %q: %w", key, err)
}

func (s *storage) open(ctx context.Context, key string, sealed []byte) ([]byte, error) {
	plain, err := s.sealer.Open(ctx, sealed, []byte(key))
	if err != nil {
		return nil, fmt.Errorf("autotls: opening %q: %w", key, err)
	}
	return plain, nil
}

// Delete implements [certmagic.Storage].
func (s *storage) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.drop(ctx, s.pool, s.fence(key), key)
}

// drop deletes a file, or all below a folder, if h is nil or still held.
func (s *storage) drop(ctx context.Context, q querier, h *hold, key string) error {
	var held bool
	err := q.QueryRow(ctx, `
		WITH held AS (SELECT 1 FROM partywall_tls.lock WHERE name = $3 AND token = $4 AND lease_until > clock_timestamp() FOR SHARE),
		gone AS (DELETE FROM partywall_tls.item WHERE (key = $1 OR key > $1 || '/' AND key < $1 || $2) AND ($4 = 0 OR EXISTS (SELECT FROM held)))
		SELECT $4 = 0 OR EXISTS (SELECT FROM held)`, key, afterSlash, h.lockName(), h.lockToken()).Scan(&held)
	if err == nil && !held {
		err = ErrLockLost
	}
	if err != nil {
		return fmt.Errorf("autotls: deleting %q: %w", key, err)
	}
	return nil
}

// afterSlash is the character that follows the slash: what is between a folder
// with the one and with the other is in the folder.
const afterSlash = "0"

// Exists implements [certmagic.Storage]. An error is "no".
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// Stat implements [certmagic.Storage].
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: key, IsTerminal: true}
	if err := checkKey(key); err != nil {
		return certmagic.KeyInfo{}, err
	}
	err := s.pool.QueryRow(ctx, `SELECT size, modified_at FROM partywall_tls.item WHERE key = $1`, key).Scan(&info.Size, &info.Modified)
	if errors.Is(err, pgx.ErrNoRows) {
		info.IsTerminal = false
		var newest *time.Time
		err = s.pool.QueryRow(ctx, `SELECT max(modified_at) FROM partywall_tls.item WHERE key > $1 || '/' AND key < $1 || $2`, key, afterSlash).Scan(&newest)
		if err == nil && newest == nil {
			err = fs.ErrNotExist
		}
		if newest != nil {
			info.Modified = *newest
		}
	}
	if err != nil {
		return certmagic.KeyInfo{}, fmt.Errorf("autotls: looking at %q: %w", key, err)
	}
	return info, nil
}

// List implements [certmagic.Storage]. As with certmagic's own file storage,
// folders are listed beside files, and the empty path is the root.
func (s *storage) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	prefix := ""
	if folder != "" {
		if err := checkKey(folder); err != nil {
			return nil, err
		}
		prefix = folder + "/"
	}
	column := `key`
	if !recursive {
		column = `DISTINCT $1 || split_part(substr(key, length($1) + 1), '/', 1)`
	}
	rows, err := s.pool.Query(ctx, `SELECT `+column+` FROM partywall_tls.item
		WHERE $1 = '' OR key > $1 AND key < left($1, -1) || $2 ORDER BY 1`, prefix, afterSlash)
	if err != nil {
		return nil, fmt.Errorf("autotls: listing %q: %w", folder, err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(keys) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("autotls: listing %q: %w", folder, err)
	}
	if !recursive {
		return keys, nil
	}
	return withFolders(keys, folder), nil
}

// withFolders adds the folders that lead to keys, below folder.
func withFolders(keys []string, folder string) []string {
	seen := map[string]bool{}
	for _, key := range slices.Clone(keys) {
		for up := path.Dir(key); up != "." && up != folder && !seen[up]; up = path.Dir(up) {
			seen[up] = true
			keys = append(keys, up)
		}
	}
	slices.Sort(keys)
	return keys
}
