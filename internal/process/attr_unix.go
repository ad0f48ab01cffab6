//go:build unix && !linux

package process

import "syscall"

// attributes puts the child into its own process group and gives up root.
// There is no death signal outside Linux; PostgreSQL then ends by itself
// within a minute after its folder was swept by a later run.
func attributes(owner *Owner, _ syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if owner != nil {
		attr.Credential = &syscall.Credential{Uid: owner.UID, Gid: owner.GID}
	}

	return attr
}
