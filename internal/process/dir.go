package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pidFile is held locked by the process that made the folder, and says its
// number to people.
const pidFile = "owner.pid"

// halfMade is the age from which a folder without a lock file counts as left
// behind: its maker was killed between making the two, a matter of
// microseconds.
const halfMade = time.Hour

// Dir is a private temporary folder of one server. It is removed by
// [Dir.Remove], or, when this process is killed before, by the next
// [NewDir] of the same kind.
type Dir struct {
	// Path is absolute.
	Path string

	owner *Owner
	lock  *os.File
}

// NewDir removes the folders of this kind whose makers are dead, then makes a
// new one that belongs to owner. base is the folder to make it in; empty means
// [os.TempDir], or /tmp when the owner cannot reach that.
func NewDir(kind, base string, owner *Owner) (*Dir, error) {
	base, err := reachableBase(base, owner)
	if err != nil {
		return nil, err
	}

	prefix := "partywall-" + kind + "-"
	sweep(base, prefix)

	path, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}

	dir := &Dir{Path: path, owner: owner}
	if err := errors.Join(dir.claim(), owner.own(path)); err != nil {
		return nil, errors.Join(err, dir.Remove())
	}

	return dir, nil
}

// claim locks the pid file before giving it the name that sweepers look for,
// so that none of them ever sees it unlocked.
func (d *Dir) claim() error {
	file, err := os.CreateTemp(d.Path, pidFile)
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}

	d.lock = file
	if !lock(file, true) {
		return fmt.Errorf("process: cannot lock %s", file.Name())
	}

	_, err = file.WriteString(strconv.Itoa(os.Getpid()) + "\n")

	err = errors.Join(err, os.Rename(file.Name(), filepath.Join(d.Path, pidFile)))
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}

	return nil
}

// WriteFile writes a file into the folder and gives it to the folder's owner.
func (d *Dir) WriteFile(name, text string) (string, error) {
	path := filepath.Join(d.Path, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("process: %w", err)
	}

	return path, d.owner.own(path)
}

// Start runs the command in the folder, as the folder's owner.
func (d *Dir) Start(c *Command) (*Child, error) {
	command := *c
	command.Dir, command.Owner = d.Path, d.owner

	return Start(&command)
}

// Run is [Run] in the folder, as the folder's owner.
func (d *Dir) Run(ctx context.Context, c *Command) error {
	command := *c
	command.Dir, command.Owner = d.Path, d.owner

	return Run(ctx, &command)
}

// Remove deletes the folder and everything in it. Nothing may be running in it
// any more.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
		d.lock = nil
	}

	if err != nil {
		return fmt.Errorf("process: %w", err)
	}

	return nil
}

// sweep removes what killed processes left. What cannot be removed, another
// user's for instance, stays: it is in nobody's way.
func sweep(base, prefix string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}

	for _, entry := range entries {
		if entry.IsDir() && strings.HasPrefix(entry.Name(), prefix) {
			sweepOne(filepath.Join(base, entry.Name()))
		}
	}
}

func sweepOne(path string) {
	file, err := os.OpenFile(filepath.Join(path, pidFile), os.O_RDWR, 0) //nolint:gosec // below a folder named as ours are

	switch {
	case err == nil:
		// Kept open until the folder is gone, so that of two sweepers one works.
		defer func() { _ = file.Close() }()

		if !lock(file, false) {
			return // its maker lives
		}
	case errors.Is(err, os.ErrNotExist):
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < halfMade {
			return // perhaps being made right now
		}
	default:
		return
	}

	_ = os.RemoveAll(path)
}

// reachableBase chooses where to make the folder: a user who gave up root must
// be able to walk down to it.
func reachableBase(base string, owner *Owner) (string, error) {
	if base != "" {
		base, err := filepath.Abs(base)
		if err == nil {
			err = reachable(base, owner)
		}

		return base, err
	}

	err := reachable(os.TempDir(), owner)
	if err == nil {
		return os.TempDir(), nil
	}

	if reachable("/tmp", owner) == nil {
		return "/tmp", nil
	}

	return "", err
}

// reachable checks that others may pass through every folder of the path. It
// asks for more than needed where the owner is in a folder's group, which
// temporary folders do not rely on.
func reachable(path string, owner *Owner) error {
	if owner == nil {
		return nil
	}

	for {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("process: %w", err)
		}

		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("process: user %s cannot reach %s (mode %v); set TMPDIR to a folder open to all",
				owner.Name, path, info.Mode().Perm())
		}

		up := filepath.Dir(path)
		if up == path {
			return nil
		}

		path = up
	}
}
