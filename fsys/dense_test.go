package fsys_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mapDirect reads through a mapping of a file opened with O_DIRECT.
func mapDirect(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	mem, err := mapOpen(f)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(mem), unix.Munmap(mem)
}

func TestDirectReadsOfDenseFilesCostNoRAM(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMechanism(t, func(t *testing.T, s *server) {
		for name, want := range m.files {
			if !strings.Contains(name, "dense") {
				continue
			}
			for _, read := range []func(string) ([]byte, error){readDirect, mapDirect} {
				got, err := read(s.path(name))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), name)
			}
		}
		r := s.report()
		require.Zero(t, r.Cache.DenseFiles)
		require.Zero(t, r.Cache.DenseBytes)
		require.Zero(t, r.Cache.Loads)
		require.Positive(t, r.Cache.BytesRead)

		// A file that is in RAM is read there.
		const name = "dense/unembedding.safetensors"
		_, err := os.ReadFile(s.path(name))
		require.NoError(t, err)
		r = s.report()
		require.Equal(t, 1, r.Cache.DenseFiles)
		for _, read := range []func(string) ([]byte, error){readDirect, mapDirect} {
			got, err := read(s.path(name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(m.files[name], got))
		}
		require.Equal(t, r.Cache.BytesRead, s.report().Cache.BytesRead)
	})
}

// TestOpensBesideDirectOnes has a dense file open with and without O_DIRECT at
// once, in each order, the first one mapped before or after the second is opened.
func TestOpensBesideDirectOnes(t *testing.T) {
	m := openModel(t, "embed:tiny")
	const name = "layers/02/dense.safetensors"
	for _, c := range []struct {
		name             string
		direct, mapFirst bool
	}{
		{"direct first", true, false}, {"direct first and mapped", true, true},
		{"plain first", false, false}, {"plain first and mapped", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyMechanism(t, func(t *testing.T, s *server) {
				open := func(direct bool) *os.File {
					flags := os.O_RDONLY
					if direct {
						flags |= unix.O_DIRECT
					}
					f, err := os.OpenFile(s.path(name), flags, 0)
					require.NoError(t, err)
					return f
				}
				use := func(f *os.File) { requireUse(t, f, m.files[name]) }
				first := open(c.direct)
				if c.mapFirst {
					use(first)
				}
				second := open(!c.direct)
				use(second)
				use(first)
				third := open(c.direct)
				require.NoError(t, first.Close())
				fourth := open(!c.direct)
				for _, f := range []*os.File{third, fourth} {
					use(f)
				}
				for _, f := range []*os.File{second, third, fourth} {
					require.NoError(t, f.Close())
				}
				require.Equal(t, 1, s.report().Cache.DenseFiles)
			})
		})
	}
}

// requireUse reads a file and maps it, until the end of the test.
func requireUse(t *testing.T, f *os.File, want []byte) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, int64(len(want))))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	mem, err := mapOpen(f)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(mem)) })
	require.True(t, bytes.Equal(want, mem))
}

// TestPassthroughComesBack closes a file that was read from the drive while
// others opened it too: later opens are passed through again.
func TestPassthroughComesBack(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{})
	s.needPassthrough(t)
	const name = "dense/unembedding.safetensors"
	direct, err := os.OpenFile(s.path(name), os.O_RDONLY|unix.O_DIRECT, 0)
	require.NoError(t, err)
	readsOfServer := func() int64 {
		before := s.report().Requests.Reads
		got, err := os.ReadFile(s.path(name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(m.files[name], got))
		return s.report().Requests.Reads - before
	}
	require.Positive(t, readsOfServer(), "beside the reader of the drive")
	require.NoError(t, direct.Close())
	// RELEASE reaches the server some time after close has returned.
	require.Eventually(t, func() bool { return readsOfServer() == 0 }, patience, time.Millisecond)
}

// TestLargeReadsAreNotCutUp: the kernel asks for up to 1 MiB at a time, the unit
// in which the drive is read best.
func TestLargeReadsAreNotCutUp(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{})
	const name = "dense/embedding.safetensors"
	size := len(m.files[name])
	require.Greater(t, size, 512<<10)
	require.Less(t, size, 1<<20)
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(buf)) }()
	f, err := os.Open(s.path(name))
	require.NoError(t, err)
	defer f.Close()
	before := s.report().Requests.Reads
	n, err := unix.Pread(int(f.Fd()), buf, 0)
	require.NoError(t, err)
	require.Equal(t, size, n)
	require.True(t, bytes.Equal(m.files[name], buf))
	require.EqualValues(t, 1, s.report().Requests.Reads-before)
}

func TestDenseFilesBeyondTheirBound(t *testing.T) {
	m := openModel(t, "embed:tiny")
	layer := "layers/00/dense.safetensors"
	bound := slotBytes(int64(len(m.files[layer])))
	for _, mechanism := range []expertfs.Mechanism{"", expertfs.Direct, expertfs.Cached} {
		s := mount(t, serverConfig{Mechanism: mechanism, DenseBytes: bound})
		first, err := os.Open(s.path(layer)) // takes all of the bound
		require.NoError(t, err)
		for name, want := range m.files {
			if !strings.Contains(name, "dense") {
				continue
			}
			for _, way := range ways {
				got, err := way.read(s.path(name))
				require.NoError(t, err, "%s of %s", way.name, name)
				require.True(t, bytes.Equal(want, got), "%s of %s", way.name, name)
			}
			require.LessOrEqual(t, s.report().Cache.DenseBytes, bound)
		}
		require.NoError(t, first.Close())
		got, err := os.ReadFile(s.path("layers/01/dense.safetensors")) // now it has room
		require.NoError(t, err)
		require.True(t, bytes.Equal(m.files["layers/01/dense.safetensors"], got))
		require.Equal(t, 1, s.report().Cache.DenseFiles)
	}
}
