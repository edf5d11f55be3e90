package weights

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/safetensors"
	"expertfs/infer/kernel"

	"github.com/stretchr/testify/require"
)

const rows, cols = 1000, 96

// writeDense writes a file with a matrix and a vector, and returns its path and
// the bytes of both.
func writeDense(t *testing.T) (path string, matrix, vector []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	matrix, vector = make([]byte, 2*rows*cols), make([]byte, 2*cols)
	for _, b := range [][]byte{matrix, vector} {
		for i := range b {
			b[i] = byte(r.Uint32())
			if i%2 == 1 {
				b[i] = 0x3f ^ b[i]&0x80 // exponents of numbers near 1
			}
		}
	}
	file, err := safetensors.AppendHeader(nil, []safetensors.Tensor{
		{Name: "matrix", DType: "BF16", Shape: []int64{rows, cols}},
		{Name: "vector", DType: "BF16", Shape: []int64{cols}},
	}, nil, 8)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "dense.safetensors")
	require.NoError(t, os.WriteFile(path, append(append(file, matrix...), vector...), 0o644))
	return path, matrix, vector
}

func TestStreamReadsAnyPiece(t *testing.T) {
	path, _, _ := writeDense(t)
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	s, err := openStream(path)
	require.NoError(t, err)
	defer s.close()
	for _, off := range []int{0, 1, 4095, 4096, 4097, len(want) - 1, len(want), len(want) + 5000} {
		for _, n := range []int{1, 511, 4096, 10_001, len(want)} {
			got := make([]byte, n)
			m, err := s.ReadAt(got, int64(off))
			expect := want[min(off, len(want)):min(off+n, len(want))]
			require.True(t, bytes.Equal(expect, got[:m]), "%d bytes at %d", n, off)
			if len(expect) < n {
				require.Equal(t, io.EOF, err)
			} else {
				require.NoError(t, err)
			}
		}
	}
}

func TestStreamRoundsWhatTheFileHolds(t *testing.T) {
	path, matrix, vector := writeDense(t)
	s, err := openStream(path)
	require.NoError(t, err)
	defer s.close()

	got, dtype, err := s.tensor("vector", floats, cols)
	require.NoError(t, err)
	require.Equal(t, "BF16", dtype)
	require.Equal(t, vector, got)

	rounded, err := s.matrix("matrix", rows, cols)
	require.NoError(t, err)
	want := kernel.NewQ8(rows, cols)
	want.SetRows(0, matrix)
	x := make([]float32, cols)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	var v kernel.Vec
	v.Set(x, kernel.Int8)
	a, b := make([]float32, rows), make([]float32, rows)
	rounded.MulVec(a, &v, 0, rows)
	want.MulVec(b, &v, 0, rows)
	require.Equal(t, b, a)
}

func TestStreamNamesWhatIsWrong(t *testing.T) {
	path, _, _ := writeDense(t)
	s, err := openStream(path)
	require.NoError(t, err)
	defer s.close()
	_, _, err = s.tensor("bias", []string{"BF16"}, 3)
	require.ErrorContains(t, err, path+": tensor bias is missing")
	_, err = s.matrix("matrix", cols, rows)
	require.ErrorContains(t, err, "the config calls for BF16 [96 1000]")

	// Cut while it is read.
	require.NoError(t, os.Truncate(path, 100_000))
	_, err = s.matrix("matrix", rows, cols)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "tensor matrix")
	_, err = openStream(path)
	require.ErrorContains(t, err, path)
	_, err = openStream(filepath.Dir(path))
	require.Error(t, err)
}
