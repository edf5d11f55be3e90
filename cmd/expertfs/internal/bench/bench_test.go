package bench

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMeasure(t *testing.T) {
	limit := &Measure{Name: "drive", Shape: &Shape{Chunk: 1 << 20, Depth: 8}, Times: []time.Duration{4 * time.Millisecond, time.Millisecond, 2 * time.Millisecond}, bytes: true}
	m := &Measure{Times: []time.Duration{8 * time.Millisecond, 4 * time.Millisecond, 4 * time.Millisecond}, Limit: limit, bytes: true}
	m.finish(8e6)
	require.Equal(t, 4*time.Millisecond, m.Median)
	require.Equal(t, 2e9, m.Rate)
	require.Equal(t, 4e9, limit.Rate)
	require.Equal(t, 0.5, m.Share)
	require.Equal(t, 3, m.Samples)

	var out strings.Builder
	require.NoError(t, (&Result{Measures: []*Measure{m}}).Write(&out))
	require.Contains(t, out.String(), "4.00 ms")
	require.Contains(t, out.String(), "0.50")
	require.Contains(t, out.String(), "drive (8 x 1024 KiB)")
}

// TestPreadOfAShortFile is an error, not a wait for bytes that never come.
func TestPreadOfAShortFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(path, make([]byte, blockSize+1), 0o644))
	r, err := newReader(2 * blockSize)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.close()) }()
	short := files(func(int) string { return path })
	require.ErrorIs(t, r.pread(short, 0, r.buf, nil), io.ErrUnexpectedEOF)
	require.ErrorIs(t, r.pread(short, 0, r.block, nil), io.ErrUnexpectedEOF)
}

func TestEcho(t *testing.T) {
	e, err := startEcho()
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, e.roundTrip())
	}
	require.NoError(t, e.close())

	e, err = startEcho()
	require.NoError(t, err)
	require.NoError(t, e.cmd.Process.Kill())
	require.Eventually(t, func() bool { return e.roundTrip() != nil }, 5*time.Minute, time.Millisecond)
	require.ErrorContains(t, e.close(), "killed")
}

func TestPlainTmpfs(t *testing.T) {
	const size = 3<<20 + 17
	fs, err := newTmpfs(2, size)
	if err != nil {
		t.Skip("cannot be mounted here: ", err)
	}
	defer func() { require.NoError(t, fs.close()) }()
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i * 31)
	}
	require.NoError(t, fs.add(7, content))
	r, err := newReader(size)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.close()) }()
	sum, err := r.readMapped(fs, 7)
	require.NoError(t, err)
	require.Equal(t, Sum(content), sum)
	for _, buf := range [][]byte{r.buf, r.block} {
		var got []byte
		require.NoError(t, r.pread(fs, 7, buf, func(part []byte) { got = append(got, part...) }))
		require.Equal(t, content, got)
	}
	require.ErrorIs(t, r.openClose(fs, 8), unix.ENOENT)
}
