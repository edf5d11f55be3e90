package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// eachISA runs f for every level that the processor has, with that level in use.
// Tests that use it must not be parallel.
func eachISA(t *testing.T, f func(t *testing.T, k *isa)) {
	t.Helper()
	defer func(old *isa) { active = old }(active)
	for _, k := range supported() {
		active = k
		t.Run(k.name, func(t *testing.T) { f(t, k) })
	}
}

// guarded returns a copy of b that ends right before a page that may not be
// touched, so that a read past its end is a crash.
func guarded[T any](t *testing.T, b []T) []T {
	t.Helper()
	page := unix.Getpagesize()
	size := len(b) * int(unsafe.Sizeof(*new(T)))
	room := (size + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, room+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	require.NoError(t, unix.Mprotect(m[room:], unix.PROT_NONE))
	t.Cleanup(func() { require.NoError(t, unix.Munmap(m)) })
	if len(b) == 0 {
		return nil
	}
	out := unsafe.Slice((*T)(unsafe.Pointer(&m[room-size])), len(b))
	copy(out, b)
	return out
}

// requireSame requires that two results have the same bits, all NaNs being one.
func requireSame(t *testing.T, want, got []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if isNaN(want[i]) && isNaN(got[i]) {
			continue
		}
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			t.Fatalf("element %d of %d is %g (%#x), not %g (%#x)", i, len(want),
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func isNaN(f float32) bool { return f != f }

// source makes test data of a kind: one of the numbers below.
type source struct {
	*rand.Rand
	kind int
}

const (
	plain   = iota // like a model's
	extreme        // any magnitude, zeros and denormals
	poison         // extreme, with infinities and NaNs now and then
	kinds
)

func newSource(kind int) *source { return &source{rand.New(rand.NewPCG(1, uint64(kind))), kind} }

func (s *source) float() float32 {
	if s.kind == plain {
		return float32(s.NormFloat64())
	}
	switch s.IntN(8) {
	case 0:
		return 0
	case 1:
		return float32(math.Copysign(0, -1))
	case 2: // denormal
		return math.Float32frombits(s.Uint32() & 0x807fffff)
	case 3:
		if s.kind == poison && s.IntN(20) == 0 {
			return []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}[s.IntN(3)]
		}
		fallthrough
	case 4: // anything finite
		if f := math.Float32frombits(s.Uint32()); !isNaN(f - f) {
			return f
		}
		return 1
	}
	return float32(s.NormFloat64())
}

func (s *source) floats(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = s.float()
	}
	return x
}

func (s *source) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}

func (s *source) bf16(n int) []byte {
	b := make([]byte, 2*n)
	for i := range n {
		u := toBF16(s.float())
		b[2*i], b[2*i+1] = byte(u), byte(u>>8)
	}
	return b
}

func (s *source) scales(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(118 + s.IntN(6))
		if s.kind != plain {
			b[i] = []byte{0, 1, 2, 254, 253, byte(s.IntN(255)), byte(110 + s.IntN(30))}[s.IntN(7)]
		}
	}
	return b
}
