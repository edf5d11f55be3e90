package main

import (
	"fmt"
	"strings"

	"expertfs"
	"expertfs/fsys"
)

// readPath tells how readers of a mount get their bytes: the way in use, why it is
// not the fastest, and the command that gives that one.
func readPath(s *expertfs.Stats) string {
	if s.Mechanism == expertfs.Passthrough {
		return "passthrough: the kernel reads from RAM"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "copies by the daemon (%s: %s)", s.Mechanism, s.Why)
	if s.Why == fsys.NeedsPrivilege {
		fmt.Fprintf(&b, "; the kernel reads from RAM, for all users, after: sudo expertfs mount -o allow_other %s %s (as root in a container: --cap-add SYS_ADMIN)",
			quoted(s.Checkpoint), quoted(s.Mountpoint))
	}
	if s.NoSocket == "" {
		b.WriteString("; programs that open experts by .expertfs/socket, as gptoss does, get the memory itself")
	}
	return b.String()
}
