package kernel

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"expertfs/infer/mapped/mappedtest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Weights in a file that was cut short, or whose mount died, cannot be read any
// more. In a kernel that is the same panic as anywhere else, and the next
// product is right.
func TestFaultsArePanics(t *testing.T) {
	mappedtest.NeedFaults(t)
	const rows, cols = 64, 2880
	size := rows * cols * 2
	path := filepath.Join(t.TempDir(), "weights")
	require.NoError(t, os.WriteFile(path, make([]byte, size), 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	lost, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(lost)) }()
	require.NoError(t, file.Truncate(0))

	s := newSource(plain)
	x := s.floats(cols)
	scales := s.scales(rows * cols / blockLen)
	good := &BF16{rows, cols, s.bf16(rows * cols)}
	eachISA(t, func(t *testing.T, _ *isa) {
		want := mulVec(good, x, F32, rows, 0, rows)
		for _, c := range []struct {
			m   matrix
			act Act
		}{
			{&BF16{rows, cols, lost}, F32},
			{&MXFP4{rows, cols, lost, scales}, F32},
			{&MXFP4{rows, cols, lost, scales}, Int8},
		} {
			require.True(t, faults(func() { mulVec(c.m, x, c.act, rows, 0, rows) }))
			require.True(t, faults(func() {
				var b Batch
				b.Reset(20, cols, c.act)
				for i := range b.Len() {
					b.Set(i, x)
				}
				c.m.MulBatch(make([]float32, 20*rows), rows, &b, 0, rows, new(Scratch))
			}))
			requireSame(t, want, mulVec(good, x, F32, rows, 0, rows))
		}
	})
}

// faults tells whether f panics because of memory that cannot be read.
func faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		_, fault = recover().(interface{ Addr() uintptr })
	}()
	f()
	return false
}
