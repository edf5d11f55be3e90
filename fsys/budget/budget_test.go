package budget

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{
		"13240576": 13240576,
		"6GiB":     6 << 30,
		"6 GiB\n":  6 << 30,
		"64MiB":    64 << 20,
		"2GB":      2e9,
		"512k":     512e3,
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0", "-1", "six", "6GiBs", "0%", "101%", "x%", "NaN%", "99999999999GiB"} {
		_, err := Parse(text)
		require.Error(t, err, text)
	}
}

func TestParsePercent(t *testing.T) {
	memory, err := Memory()
	require.NoError(t, err)
	got, err := Parse("50%")
	require.NoError(t, err)
	require.InDelta(t, float64(memory)/2, float64(got), mebi)
	require.Zero(t, got%mebi)
}

func TestMemoryRespectsControlGroups(t *testing.T) {
	const total = 8 << 30
	base := func(cgroup string) fstest.MapFS {
		return fstest.MapFS{
			"proc/meminfo":     {Data: []byte("MemFree: 1 kB\nMemTotal:        8388608 kB\n")},
			"proc/self/cgroup": {Data: []byte(cgroup)},
		}
	}
	for _, c := range []struct {
		name, cgroup string
		limits       map[string]string
		want         int64
	}{
		{"no limit", "0::/\n", nil, total},
		{"v2", "0::/a/b\n", map[string]string{"sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, 1 << 30},
		{"v2 max", "0::/a\n", map[string]string{"sys/fs/cgroup/a/memory.max": "max\n"}, total},
		{"v2 parent is lower", "0::/a/b\n", map[string]string{
			"sys/fs/cgroup/a/b/memory.max": "4294967296", "sys/fs/cgroup/a/memory.max": "2147483648"}, 2 << 30},
		{"v1", "5:cpu,memory:/g\n1:name=systemd:/\n", map[string]string{
			"sys/fs/cgroup/memory/g/memory.limit_in_bytes": "536870912"}, 512 << 20},
		{"v1 unlimited", "5:memory:/g\n", map[string]string{
			"sys/fs/cgroup/memory/g/memory.limit_in_bytes": "9223372036854771712"}, total},
		{"container root", "0::/docker/abc\n", map[string]string{"sys/fs/cgroup/memory.max": "268435456"}, 256 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := base(c.cgroup)
			for name, text := range c.limits {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := readMemory(fsys)
			require.NoError(t, err)
			require.Equal(t, c.want, got.limit())
		})
	}
}
