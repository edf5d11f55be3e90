package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"expertfs/cmd/internal/limits"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSum compares both sums with the definition, for all lengths about those at
// which their loops begin and end, and for all alignments.
func TestSum(t *testing.T) {
	const longest = 2*8*4096 + 3*128
	source := rand.NewChaCha8([32]byte{1})
	b := make([]byte, longest+8)
	_, err := source.Read(b)
	require.NoError(t, err)
	padded := make([]byte, longest+16)
	for _, near := range []int{0, 4096, 8 * 4096, 2 * 8 * 4096} {
		for n := max(0, near-140); n < near+300; n++ {
			part := b[n%8:][:n]
			clear(padded)
			copy(padded, part)
			var want uint64
			for i := 0; i < n; i += 8 {
				want += binary.LittleEndian.Uint64(padded[i:])
			}
			require.Equal(t, want, Sum(part), n)
			require.Equal(t, want, sumPortable(part), n)
		}
	}
}

// BenchmarkSum reads experts of GPT-OSS 20b out of more memory than processors
// cache. Its limit is go test -bench Memory ./infer/kernel with one thread.
func BenchmarkSum(b *testing.B) {
	const size, expert = 512 << 20, 13_240_576
	mem, err := limits.NewBuffer(size)
	require.NoError(b, err)
	defer func() { require.NoError(b, unix.Munmap(mem)) }()
	for i := range mem {
		mem[i] = byte(i * 7)
	}
	for _, s := range []struct {
		name string
		sum  func([]byte) uint64
	}{{"default", Sum}, {"portable", sumPortable}} {
		b.Run(s.name, func(b *testing.B) {
			b.SetBytes(expert)
			for i := 0; b.Loop(); i++ {
				s.sum(mem[i%(size/expert)*expert:][:expert])
			}
		})
	}
}
