package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// Owner is the user that a child runs as. A nil *Owner means the parent's.
type Owner struct {
	// Name is the user's login name.
	Name string

	// UID and GID are the user's numbers and its primary group's.
	UID, GID uint32
}

// Unprivileged returns the user that a server should run as: nil when this
// process is not root, else the user postgres, or nobody where there is none.
// PostgreSQL and PgBouncer both refuse to run as root.
func Unprivileged() (*Owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is documented to mean the parent's own user
	}

	var failed error

	for _, name := range []string{"postgres", "nobody"} {
		owner, err := lookup(name)
		if err == nil {
			return owner, nil
		}

		failed = errors.Join(failed, err)
	}

	return nil, fmt.Errorf("process: no user to give up root for: %w", failed)
}

func lookup(name string) (*Owner, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}

	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)

	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("process: user %s: %w", name, err)
	}

	return &Owner{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
}

// own gives the file to the owner.
func (o *Owner) own(path string) error {
	if o == nil {
		return nil
	}

	if err := os.Lchown(path, int(o.UID), int(o.GID)); err != nil {
		return fmt.Errorf("process: %w", err)
	}

	return nil
}
