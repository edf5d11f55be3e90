package expertfs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMountPoints(t *testing.T) {
	const table = `22 1 0:20 / /proc rw,relatime shared:1 - proc proc rw
30 1 0:40 / /mnt/a\040b rw,nosuid - fuse.expertfs expertfs rw,user_id=0
31 1 0:40 / /mnt/again rw shared:2 master:3 - fuse.expertfs expertfs rw
32 1 0:40 /layers /mnt/part rw - fuse.expertfs expertfs rw
33 1 0:41 / /mnt/covered rw - fuse.expertfs expertfs rw
34 1 0:42 / /mnt/covered rw - tmpfs tmpfs rw
35 1 0:43 / /mnt/c rw - fuse.expertfs expertfs rw
`
	all, err := ParseMountTable(strings.NewReader(table))
	require.NoError(t, err)
	require.Equal(t, []string{"/mnt/a b", "/mnt/c"}, pointsOf(all))
}

const mountTable = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
97 24 0:45 / /mnt/my\040model rw,nosuid,nodev,relatime shared:50 master:1 - fuse.expertfs expertfs:gpt-oss-20b rw,user_id=7,group_id=0
98 24 0:46 /fs /proc/fs rw - proc proc rw
`

func TestParseMountTable(t *testing.T) {
	got, err := ParseMountTable(strings.NewReader(mountTable))
	require.NoError(t, err)
	require.Equal(t, []MountEntry{
		{Point: "/", Root: "/", Type: "ext4", Source: "/dev/vda", Minor: 0, User: -1},
		{Point: "/mnt/my model", Root: "/", Type: FSType, Source: "expertfs:gpt-oss-20b", Minor: 45, User: 7},
		{Point: "/proc/fs", Root: "/fs", Type: "proc", Source: "proc", Minor: 46, User: -1},
	}, got)
	for _, bad := range []string{"24 1 254:0 / / rw ext4\n", "24 1 254:x / / rw - ext4 s o\n", "- a b\n"} {
		_, err := ParseMountTable(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
}
