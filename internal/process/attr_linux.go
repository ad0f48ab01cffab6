package process

import "syscall"

// attributes puts the child into its own process group, gives up root and asks
// for the death signal. Go sets that after the user, in an order that matters:
// the kernel forgets it when the user changes.
func attributes(owner *Owner, death syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	if owner != nil {
		attr.Credential = &syscall.Credential{Uid: owner.UID, Gid: owner.GID}
	}

	return attr
}
