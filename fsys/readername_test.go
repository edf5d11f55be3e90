package fsys

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNamesOfReaders: a process has any name that it likes, and commands no terminal on
// which it is printed.
func TestNamesOfReaders(t *testing.T) {
	runtime.LockOSThread() // and its name ends with it
	name, err := unix.BytePtrFromString("cat\x1b[2J")
	require.NoError(t, err)
	require.NoError(t, unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0))
	pid, got, ok := processOf(uint32(unix.Gettid()))
	require.True(t, ok)
	require.Equal(t, os.Getpid(), pid)
	require.Equal(t, `"cat\x1b[2J"`, got)
}
