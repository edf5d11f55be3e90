package fsys_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// walk stats everything below a mount point as a recursive listing sees it.
func walk(t *testing.T, point string) map[string]unix.Stat_t {
	t.Helper()
	nodes := make(map[string]unix.Stat_t)
	err := filepath.WalkDir(point, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel, err := filepath.Rel(point, path)
		nodes[rel] = st
		return err
	})
	require.NoError(t, err)
	return nodes
}

func TestTree(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{})
	nodes := walk(t, s.point)

	inodes := make(map[uint64]string)
	subdirs := make(map[string]uint64)
	files := 0
	for name, st := range nodes {
		other, twice := inodes[st.Ino]
		require.False(t, twice, "%s and %s share an inode number", name, other)
		inodes[st.Ino] = name
		require.Equal(t, m.ck.ModTime().Unix(), st.Mtim.Sec, name)
		require.Equal(t, uint32(os.Geteuid()), st.Uid, name)
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			require.Equal(t, uint32(unix.S_IFDIR|0o755), st.Mode, name)
			subdirs[filepath.Dir(name)]++
			continue
		}
		files++
		require.Equal(t, uint32(unix.S_IFREG|0o444), st.Mode, name)
		want, ok := m.files[name]
		require.True(t, ok, "%s should not be there", name)
		require.Equal(t, int64(len(want)), st.Size, name)
		require.Equal(t, (st.Size+511)/512, st.Blocks, name)
	}
	require.Len(t, m.files, files)
	for name, st := range nodes {
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			want := 2 + subdirs[name]
			if name == "." {
				want-- // its own entry was counted
			}
			require.Equal(t, want, st.Nlink, name)
		}
	}
	require.Equal(t, uint64(1), nodes["."].Ino)

	// Another mount of the model shows the same numbers.
	again := walk(t, mount(t, serverConfig{}).point)
	for name, st := range nodes {
		require.Equal(t, st.Ino, again[name].Ino, name)
	}
}

func TestControlDirectoryIsHidden(t *testing.T) {
	s := mount(t, serverConfig{})
	for name := range walk(t, s.point) {
		require.NotContains(t, name, ".expertfs")
	}
	var names []string
	entries, err := os.ReadDir(s.path(".expertfs"))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"experts.tsv", "heatmap", "hints", "live", "policy", "ram", "resident", "rounded", "share", "socket", "stats", "stats.json", "version", "warm"}, names)
}

func TestNamesThatDoNotExist(t *testing.T) {
	s := mount(t, serverConfig{})
	for _, name := range []string{
		"missing", "layers/4", "layers/04", "layers/0", "layers/000", "layers/-1", "layers/+1",
		"layers/00/experts/32.safetensors", "layers/00/experts/3.safetensors", "layers/00/experts/003.safetensors",
		"layers/00/experts/03", "layers/00/03.safetensors", ".expertfs/missing", ".expertfs/resident/00-99.safetensors",
		".expertfs/resident/00.safetensors", "dense/dense.safetensors",
	} {
		_, err := os.Lstat(s.path(name))
		require.ErrorIs(t, err, os.ErrNotExist, name)
	}
	_, err := os.Lstat(s.path("config.json", "x"))
	require.ErrorIs(t, err, unix.ENOTDIR)
	_, err = os.ReadFile(s.path("layers"))
	require.ErrorIs(t, err, unix.EISDIR)
}

func TestResidentLinks(t *testing.T) {
	s := mount(t, serverConfig{})
	link := s.path(".expertfs/resident/01-07.safetensors")
	_, err := os.Lstat(link)
	require.ErrorIs(t, err, os.ErrNotExist)
	want, err := os.ReadFile(s.expert(1, 7))
	require.NoError(t, err)

	entries, err := os.ReadDir(s.path(".expertfs/resident"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "01-07.safetensors", entries[0].Name())
	target, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, "../../layers/01/experts/07.safetensors", target)
	got, err := os.ReadFile(link)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestTools runs what people use on files: the copy of a mount must be the
// model, and nothing else.
func TestTools(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 12})
	dir := filepath.Join(t.TempDir(), "copy")
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		return string(out)
	}
	run("cp", "-r", s.point+"/.", dir)
	copied := walk(t, dir)
	for name, want := range m.files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, got, name)
		delete(copied, name)
	}
	for name, st := range copied {
		require.Equal(t, uint32(unix.S_IFDIR), st.Mode&unix.S_IFMT, "%s was copied beside the model", name)
	}
	run("diff", "-r", s.point, dir)
	for _, name := range []string{"layers/02/experts/31.safetensors", "dense/embedding.safetensors", "config.json"} {
		mounted, plain := s.path(name), filepath.Join(dir, name)
		sum := func(path string) string { return strings.Fields(run("sha256sum", path))[0] }
		require.Equal(t, sum(plain), sum(mounted))
		for _, flags := range [][]string{{"bs=1000"}, {"bs=1M"}, {"bs=4096", "iflag=direct"}, {"bs=512", "skip=3", "count=5"}} {
			plainOut := run("sh", "-c", `dd status=none "$@" | sha256sum`, "sh", "if="+plain, flags[0])
			require.Equal(t, plainOut, run("sh", "-c", `dd status=none "$@" | sha256sum`, "sh", "if="+mounted, flags[0]), flags)
			out := run("dd", append([]string{"status=none", "of=/dev/null", "if=" + mounted}, flags...)...)
			require.Empty(t, out)
		}
	}
}
