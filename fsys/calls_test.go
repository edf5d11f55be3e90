package fsys_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// everyMechanism runs a test on a mount of each mechanism.
func everyMechanism(t *testing.T, test func(t *testing.T, s *server)) {
	for _, m := range []expertfs.Mechanism{"", expertfs.Direct, expertfs.Cached} {
		name := string(m)
		if name == "" {
			name = "best"
		}
		t.Run(name, func(t *testing.T) { test(t, mount(t, serverConfig{Mechanism: m})) })
	}
}

func TestPartialReads(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMechanism(t, func(t *testing.T, s *server) {
		for _, name := range []string{"layers/00/experts/00.safetensors", "dense/embedding.safetensors", "config.json"} {
			want := m.files[name]
			f, err := os.Open(s.path(name))
			require.NoError(t, err)
			size := int64(len(want))
			for _, off := range []int64{0, 1, 17, size / 2, size - 1} {
				buf := make([]byte, 1000)
				n, err := f.ReadAt(buf, off)
				if err != nil {
					require.ErrorIs(t, err, io.EOF)
				}
				require.True(t, bytes.Equal(want[off:min(off+1000, size)], buf[:n]), "%s at %d", name, off)
			}
			for _, off := range []int64{size, size + 1, 1 << 40} {
				n, err := f.ReadAt(make([]byte, 10), off)
				require.Zero(t, n)
				require.ErrorIs(t, err, io.EOF)
			}
			_, err = unix.Preadv(int(f.Fd()), [][]byte{make([]byte, 10), make([]byte, 20)}, 5)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	})
}

func TestSeek(t *testing.T) {
	everyMechanism(t, func(t *testing.T, s *server) {
		f, err := os.Open(s.expert(0, 0))
		require.NoError(t, err)
		defer f.Close()
		info, err := f.Stat()
		require.NoError(t, err)
		for _, c := range []struct {
			whence    int
			off, want int64
		}{
			{io.SeekStart, 100, 100}, {io.SeekCurrent, 5, 105}, {io.SeekEnd, 0, info.Size()},
			{unix.SEEK_DATA, 10, 10}, {unix.SEEK_HOLE, 10, info.Size()},
		} {
			got, err := f.Seek(c.off, c.whence)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		}
	})
}

func TestCopiesWithinTheKernel(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMechanism(t, func(t *testing.T, s *server) {
		want := m.files["layers/01/experts/02.safetensors"]
		in, err := os.Open(s.expert(1, 2))
		require.NoError(t, err)
		defer in.Close()
		out, err := os.Create(filepath.Join(t.TempDir(), "copy"))
		require.NoError(t, err)
		defer out.Close()
		_, err = unix.CopyFileRange(int(in.Fd()), nil, int(out.Fd()), nil, len(want), 0)
		require.ErrorIs(t, err, unix.EXDEV)
		for total := 0; total < len(want); {
			n, err := unix.Sendfile(int(out.Fd()), int(in.Fd()), nil, len(want)-total)
			require.NoError(t, err)
			require.Positive(t, n)
			total += n
		}
		got, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	})
}

func TestLocksAreTheKernels(t *testing.T) {
	s := mount(t, serverConfig{})
	a, err := os.Open(s.expert(0, 0))
	require.NoError(t, err)
	defer a.Close()
	b, err := os.Open(s.expert(0, 0))
	require.NoError(t, err)
	defer b.Close()
	require.NoError(t, unix.Flock(int(a.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	require.ErrorIs(t, unix.Flock(int(b.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
	require.NoError(t, unix.Flock(int(a.Fd()), unix.LOCK_UN))
	require.NoError(t, unix.Flock(int(b.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}

func TestOtherCalls(t *testing.T) {
	s := mount(t, serverConfig{})
	f, err := os.Open(s.expert(0, 0))
	require.NoError(t, err)
	defer f.Close()
	_, err = unix.IoctlGetInt(int(f.Fd()), unix.TIOCGWINSZ)
	require.ErrorIs(t, err, unix.ENOTTY)
	require.NoError(t, f.Sync())
	_, err = unix.Open(s.expert(0, 0), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	require.ErrorIs(t, err, unix.ENOTDIR)
	_, err = os.ReadDir(s.expert(0, 0))
	require.ErrorIs(t, err, unix.ENOTDIR)
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_WILLNEED))
}

// TestDocumentedTestsExist holds docs/semantics.md to the tests that it names.
func TestDocumentedTestsExist(t *testing.T) {
	doc, err := os.ReadFile("../docs/semantics.md")
	require.NoError(t, err)
	var code strings.Builder
	for _, folder := range []string{"../fsys", "../tiers", "../cmd/expertfs", "../checkpoint"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		}))
	}
	files, err := filepath.Glob("../*_test.go")
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		code.Write(text)
	}
	named := regexp.MustCompile(`\bTest\w+`).FindAllString(string(doc), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		require.True(t, strings.Contains(code.String(), "func "+name+"("), "docs/semantics.md names a test that is not there: %s", name)
	}
	for line := range strings.Lines(string(doc)) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| ---") && !strings.Contains(line, "| test |") {
			require.Regexp(t, `Test\w+`, line, "a line without a test")
		}
	}
}
