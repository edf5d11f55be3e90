package main

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"expertfs"
	"expertfs/fsys"

	"github.com/stretchr/testify/require"
)

func TestReadPath(t *testing.T) {
	s := expertfs.Stats{Mechanism: expertfs.Passthrough, Checkpoint: "/data/20b", Mountpoint: "/mnt/my model"}
	require.Equal(t, "passthrough: the kernel reads from RAM", readPath(&s))
	s.Mechanism, s.Why = expertfs.Direct, fsys.NeedsPrivilege
	s.Cache.Budget, s.Cache.Policy = 6<<30, "forecast"
	require.Equal(t, "copies by the daemon (direct: FUSE passthrough needs CAP_SYS_ADMIN); "+
		"the kernel reads from RAM, for all users, after: expertfs umount '/mnt/my model'; sudo expertfs mount -o allow_other --ram 6GiB /data/20b '/mnt/my model' "+
		"(as root in a container: --cap-add SYS_ADMIN); programs that open experts by .expertfs/socket, as gptoss does, get the memory itself", readPath(&s))
	s.AutoBudget, s.Cache.Policy = true, "lfu"
	require.Contains(t, readPath(&s), "mount -o allow_other --policy lfu /data/20b")
	s.Why, s.NoSocket = "this kernel has no FUSE passthrough (Linux 6.9 and later have it)", "no place for it"
	require.Equal(t, "copies by the daemon (direct: this kernel has no FUSE passthrough (Linux 6.9 and later have it))", readPath(&s))
}

// TestMountSaysHowItIsRead has the slower way, which is asked for, said by mount and
// by status.
func TestMountSaysHowItIsRead(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	r := run(t, "mount", "--ram", "1MiB", "--no-passthrough", "embed:tiny", point)
	require.Zero(t, r.code, r.errors)
	const how = "copies by the daemon (direct: asked for); programs that open experts by .expertfs/socket"
	require.Contains(t, r.out, point+"\n"+point+"/.expertfs\nreads: "+how)
	access(t, point, "00/01", "00/02")
	r = run(t, "status")
	require.Regexp(t, `(?m)^(.+, )?`+regexp.QuoteMeta(point)+`(, .+)?: `+regexp.QuoteMeta(how), r.out, "others may be read so, too")
	require.Contains(t, r.out, "\nREADERS OF ")
	require.Regexp(t, fmt.Sprintf(`\n%s +0 +\S+ +%d +2 +0\.0%% +\d+ +\S+ B `, point, os.Getpid()), r.out)
	require.Zero(t, run(t, "umount", point).code)
}
