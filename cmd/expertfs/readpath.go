package main

import (
	"fmt"

	"expertfs"
	"expertfs/fsys"
)

// readPath tells how readers of a mount get their bytes: the way in use, why it is
// not the fastest, and the command that gives that one.
func readPath(s *expertfs.Stats) string {
	way := readWay(s)
	if s.Mechanism != expertfs.Passthrough && s.Why == fsys.NeedsPrivilege {
		way += fmt.Sprintf("; the kernel reads from RAM, for all users, after: expertfs umount %s; %s (as root in a container: --cap-add SYS_ADMIN)",
			expertfs.ShellQuote(s.Mountpoint), mountAsRoot(s))
	}
	return way + socketWay(s)
}

// readWay is the way that reads of files go.
func readWay(s *expertfs.Stats) string {
	if s.Mechanism == expertfs.Passthrough {
		return "passthrough: the kernel reads from RAM"
	}
	return fmt.Sprintf("copies by the daemon (%s: %s)", s.Mechanism, s.Why)
}

// socketWay tells of the other way, where files are not the fastest.
func socketWay(s *expertfs.Stats) string {
	if s.Mechanism == expertfs.Passthrough || s.NoSocket != "" {
		return ""
	}
	return "; programs that open experts by .expertfs/socket, as gptoss does, get the memory itself"
}
