package expertfs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseMounts(t *testing.T) {
	const table = `22 1 0:20 / /proc rw,relatime shared:1 - proc proc rw
30 1 0:40 / /mnt/a\040b rw,nosuid - fuse.expertfs expertfs rw,user_id=0
31 1 0:40 / /mnt/again rw shared:2 master:3 - fuse.expertfs expertfs rw
32 1 0:40 /layers /mnt/part rw - fuse.expertfs expertfs rw
33 1 0:41 / /mnt/covered rw - fuse.expertfs expertfs rw
34 1 0:42 / /mnt/covered rw - tmpfs tmpfs rw
35 1 0:43 / /mnt/c rw - fuse.expertfs expertfs rw
`
	mounts, err := parseMounts(strings.NewReader(table))
	require.NoError(t, err)
	require.Equal(t, []string{"/mnt/a b", "/mnt/c"}, mounts)
	_, err = parseMounts(strings.NewReader("nonsense\n"))
	require.ErrorContains(t, err, "nonsense")
}
