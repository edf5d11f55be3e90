package mapped

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Mappings begin at a multiple of 2 MiB, so that huge pages can be used, and
// reuse the address space of earlier ones.
func TestArenaReusesAlignedAddresses(t *testing.T) {
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(small, []byte("weights"), 0o600))
	require.NoError(t, os.WriteFile(large, bytes.Repeat([]byte("x"), 5<<20), 0o600))
	a := NewArena()
	seen := make(map[uintptr]bool)
	for range 3 {
		for _, path := range []string{small, large} {
			m, err := a.Map(path)
			require.NoError(t, err)
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, want, m.Data)
			at := uintptr(unsafe.Pointer(unsafe.SliceData(m.Data)))
			require.Zero(t, at%hugePage)
			seen[at] = true
			require.NoError(t, m.Close())
		}
	}
	require.Len(t, seen, 2)
	_, err := a.Map(dir)
	require.ErrorContains(t, err, "not a regular file")
	_, err = a.Map(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)

	for at := range seen {
		require.True(t, reserved(t, at))
	}
	require.NoError(t, a.Close())
	for at := range seen {
		require.False(t, reserved(t, at))
	}
}

// A range whose mapping failed may belong to somebody else by now.
func TestArenaForgetsRangesThatFailed(t *testing.T) {
	const unmappable = "/sys/kernel/mm/transparent_hugepage/enabled"
	if _, err := os.Stat(unmappable); err != nil {
		t.Skipf("no file that cannot be mapped: %v", err)
	}
	a := NewArena()
	_, err := a.Map(unmappable)
	require.ErrorIs(t, err, unix.ENODEV)
	require.Empty(t, a.free)
}

// reserved tells whether address space is set aside at the given address.
func reserved(t *testing.T, at uintptr) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		var begin, end uintptr
		var access string
		_, err := fmt.Sscanf(line, "%x-%x %s", &begin, &end, &access)
		require.NoError(t, err)
		if begin <= at && at < end {
			return access == "---p"
		}
	}
	return false
}
