package source

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// places are a folder of each kind with the same files.
func places(t *testing.T) map[string]Folder {
	t.Helper()
	dir, m := t.TempDir(), fstest.MapFS{}
	for name, data := range map[string]string{"b.txt": "hello", "a.bin": string(make([]byte, 9000)), "empty": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
		m[name] = &fstest.MapFile{Data: []byte(data)}
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	m["sub"] = &fstest.MapFile{Mode: fs.ModeDir}
	return map[string]Folder{"directory": Dir(dir), "program": FS("mem", m, time.Unix(7, 0))}
}

// slow is a source of which reads beyond the first block wait.
type slow struct {
	Source
	waits chan struct{}
}

func (s slow) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off > 0 {
		s.waits <- struct{}{}
		<-s.waits
	}
	return s.Source.ReadAt(ctx, p, off)
}

// Who reads what is at hand does not wait for somebody else's request.
func TestAheadLetsOthersRead(t *testing.T) {
	data := make([]byte, 3*aheadFirst)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	file, err := FS("mem", fstest.MapFS{"x": &fstest.MapFile{Data: data}}, time.Unix(7, 0)).Open("x")
	require.NoError(t, err)
	waits := make(chan struct{})
	s := Ahead(slow{file, waits})
	got := make([]byte, 10)
	_, err = s.ReadAt(t.Context(), got, 0)
	require.NoError(t, err)
	far := make([]byte, 10)
	done := make(chan error)
	go func() {
		_, err := s.ReadAt(context.Background(), far, 2*aheadFirst)
		done <- err
	}()
	<-waits // it asks
	_, err = s.ReadAt(t.Context(), got, 5000)
	require.NoError(t, err)
	require.Equal(t, data[5000:5010], got)
	waits <- struct{}{}
	require.NoError(t, <-done)
	require.Equal(t, data[2*aheadFirst:][:10], far)
	require.NoError(t, s.Close())
}

func TestFolders(t *testing.T) {
	for name, f := range places(t) {
		t.Run(name, func(t *testing.T) {
			names, err := f.List()
			require.NoError(t, err)
			require.Equal(t, []string{"a.bin", "b.txt", "empty", "sub"}, names)
			info, err := f.Stat("b.txt")
			require.NoError(t, err)
			require.Equal(t, Info{Size: 5, Regular: true}, info)
			require.True(t, Has(f, "sub"))
			require.False(t, Has(f, "nothing"))
			_, err = f.Open("nothing")
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, err = f.Open("sub")
			require.ErrorIs(t, err, ErrNotRegular)

			s, err := f.Open("b.txt")
			require.NoError(t, err)
			require.Equal(t, "b.txt", s.Name())
			require.EqualValues(t, 5, s.Size())
			require.False(t, s.Identity().ModTime.IsZero())
			require.NoError(t, s.Check(t.Context()))
			text, err := io.ReadAll(Section(s))
			require.NoError(t, err)
			require.Equal(t, "hello", string(text))
			p := make([]byte, 9)
			n, err := s.ReadAt(t.Context(), p, 3)
			require.NoError(t, err, "as pread")
			require.Equal(t, "lo", string(p[:n]))
			n, err = Reader(s).ReadAt(p, 3)
			require.Equal(t, io.EOF, err, "as io.ReaderAt")
			require.Equal(t, 2, n)

			// The second descriptor is one of its own: the first may be closed.
			b, err := s.Bulk()
			require.NoError(t, err)
			offset, memory := b.Align()
			buf := make([]byte, max(4*memory, 2*offset, 8))
			skip := int64(-uintptr(unsafe.Pointer(&buf[0]))) & (memory - 1)
			n, err = b.ReadAt(context.Background(), buf[skip:][:max(offset, 8)], 0)
			require.NoError(t, err, b.Mechanism())
			require.Equal(t, "hello", string(buf[skip:][:n]))
			require.NoError(t, b.Close())
			another, err := s.Bulk() // which may have its number
			require.NoError(t, err)
			require.NoError(t, b.Close(), "it is closed already")
			n, err = another.ReadAt(context.Background(), buf[skip:][:max(offset, 8)], 0)
			require.NoError(t, err)
			require.Equal(t, "hello", string(buf[skip:][:n]))
			require.NoError(t, another.Close())
			require.NoError(t, s.Close())
		})
	}
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "config.json"), 0o600))
	_, err := Dir(dir).Open("config.json")
	require.ErrorIs(t, err, ErrNotRegular)
}

func TestBytes(t *testing.T) {
	s := Bytes("config.json", []byte("{}"), time.Unix(5, 0))
	text, err := io.ReadAll(Section(s))
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))
	require.Equal(t, time.Unix(5, 0), s.Identity().ModTime)
	require.Empty(t, Path(s))
	require.NoError(t, s.Close())
}

func TestDescribeIsOneLine(t *testing.T) {
	require.Equal(t, "/a/b.txt", Dir("/a").Describe("b.txt"))
	require.Equal(t, "/a", Dir("/a").Describe(""))
	require.Equal(t, `"/a\nb/c"`, Dir("/a\nb").Describe("c"))
}
