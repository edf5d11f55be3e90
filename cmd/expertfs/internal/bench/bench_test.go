package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMeasure(t *testing.T) {
	limit := &Measure{Times: []time.Duration{4 * time.Millisecond, time.Millisecond, 2 * time.Millisecond}, bytes: true}
	m := &Measure{Times: []time.Duration{8 * time.Millisecond, 4 * time.Millisecond, 4 * time.Millisecond}, Limit: limit, bytes: true}
	m.finish(8e6)
	require.Equal(t, 4*time.Millisecond, m.Median)
	require.Equal(t, 2e9, m.Rate)
	require.Equal(t, 4e9, limit.Rate)
	require.Equal(t, 0.5, m.Share)

	var out strings.Builder
	require.NoError(t, (&Result{Measures: []*Measure{m}}).Write(&out))
	require.Contains(t, out.String(), "4.00 ms")
	require.Contains(t, out.String(), "0.50")
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
	require.NoError(t, r.pread(fs, 7))
	require.Equal(t, content, r.buf)
	require.ErrorIs(t, r.openClose(fs, 8), unix.ENOENT)
}
