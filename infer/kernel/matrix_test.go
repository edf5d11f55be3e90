package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// matrix is what the three formats have in common.
type matrix interface {
	MulVec(dst []float32, x *Vec, lo, hi int)
	MulBatch(dst []float32, stride int, x *Batch, lo, hi int, s *Scratch)
}

// format makes matrices of one format for the tests. weights returns a row in
// float64.
type format struct {
	name string
	acts []Act
	step int // cols are a multiple of it
	make func(t *testing.T, s *source, rows, cols int) (m matrix, weights func(row int) []float64)
}

var formats = []format{
	{"mxfp4", []Act{F32, BF16Act, Int8}, blockLen, func(t *testing.T, s *source, rows, cols int) (matrix, func(int) []float64) {
		nb := cols / blockLen
		m := &MXFP4{rows, cols, guarded(t, s.bytes(rows*nb*halfBlock)), guarded(t, s.scales(rows*nb))}
		return m, func(r int) []float64 {
			w := make([]float64, cols)
			for c := range w {
				nibble := m.Blocks[(r*cols+c)/2] >> (c % 2 * 4) & 15
				w[c] = math.Ldexp(float64(fp4[nibble]), int(m.Scales[r*nb+c/blockLen])-127)
			}
			return w
		}
	}},
	{"bf16", []Act{F32, BF16Act}, 1, func(t *testing.T, s *source, rows, cols int) (matrix, func(int) []float64) {
		m := &BF16{rows, cols, guarded(t, s.bf16(rows*cols))}
		return m, func(r int) []float64 { return bf16Row(m, r) }
	}},
	{"q8", []Act{Int8}, 1, func(t *testing.T, s *source, rows, cols int) (matrix, func(int) []float64) {
		m := BF16{rows, cols, s.bf16(rows * cols)}
		return quantize(m), func(r int) []float64 { return bf16Row(&m, r) }
	}},
}

func bf16Row(m *BF16, r int) []float64 {
	w := make([]float64, m.Cols)
	for c := range w {
		at := m.Data[2*(r*m.Cols+c):]
		w[c] = float64(fromBF16(uint16(at[0]) | uint16(at[1])<<8))
	}
	return w
}

// The rows and columns that are tried: whole groups and tiles and what is left
// over, the model's 2880 columns, and the smallest there can be.
var (
	someRows = []int{1, 2, 3, 4, 5, 15, 16, 17, 33}
	someCols = []int{32, 64, 96, 128, 192, 480, 2880}
	oddCols  = []int{1, 2, 31, 33, 63, 65, 100, 2881}
)

func (f format) cols() []int {
	if f.step == 1 {
		return append(append([]int{}, someCols...), oddCols...)
	}
	return someCols
}

// Products are close to what float64 arithmetic gives.
func TestProductsAreRight(t *testing.T) {
	tolerance := map[string]float64{"mxfp4/f32": 1e-6, "mxfp4/bf16": 4e-3, "mxfp4/int8": 6e-3, "bf16/f32": 1e-6, "bf16/bf16": 4e-3, "q8/int8": 1e-2}
	eachISA(t, func(t *testing.T, _ *isa) {
		for _, f := range formats {
			for _, act := range f.acts {
				for _, cols := range f.cols() {
					s := newSource(plain)
					m, weights := f.make(t, s, 5, cols)
					x := s.floats(cols)
					var v Vec
					v.Set(x, act)
					dst := make([]float32, 5)
					m.MulVec(dst, &v, 0, 5)
					for r := range dst {
						want, size := 0.0, 0.0
						for c, w := range weights(r) {
							want += w * float64(x[c])
							size += math.Pow(w*float64(x[c]), 2)
						}
						name := f.name + "/" + act.String()
						// Rounding errors are relative to the terms, of which the largest
						// of a block decides for integers.
						limit := tolerance[name] * math.Sqrt(size+0.01*float64(cols))
						require.InDelta(t, want, float64(dst[r]), 4*limit, "%s, %d columns, row %d", name, cols, r)
					}
				}
			}
		}
	})
}

// Every level gives what the portable one gives, bit by bit, for vectors and
// batches, whatever rows are asked for, and leaves the rest of dst alone.
func TestTiersAgree(t *testing.T) {
	for kind := range kinds {
		for _, f := range formats {
			for _, act := range f.acts {
				t.Run(fmt.Sprintf("%s/%s/%d", f.name, act, kind), func(t *testing.T) {
					for i, cols := range f.cols() {
						checkAgreement(t, f, act, newSource(kind), someRows[i%len(someRows)], cols)
					}
					for _, rows := range someRows {
						checkAgreement(t, f, act, newSource(kind), rows, 96)
					}
				})
			}
		}
	}
}

// checkAgreement multiplies a matrix by vectors on all levels.
func checkAgreement(t *testing.T, f format, act Act, s *source, rows, cols int) {
	t.Helper()
	m, _ := f.make(t, s, rows, cols)
	var xs [][]float32
	most := []int{maxFew, 40}[s.IntN(2)]
	for range 1 + s.IntN(most) {
		xs = append(xs, guarded(t, s.floats(cols)))
	}
	lo := s.IntN(rows)
	hi := lo + s.IntN(rows-lo+1)
	var want [][]float32
	use(generic, func() {
		for _, x := range xs {
			want = append(want, mulVec(m, x, act, rows, lo, hi))
		}
	})
	for _, k := range supported() {
		use(k, func() {
			requireSame(t, want[0], mulVec(m, xs[0], act, rows, lo, hi))
			var b, gathered Batch
			b.Reset(len(xs), cols, act)
			order := s.Perm(len(xs))
			for i, x := range xs {
				b.Set(i, x)
			}
			gathered.Gather(&b, order)
			stride := rows + s.IntN(3)
			dst := untouched(len(xs) * stride)
			m.MulBatch(dst, stride, &gathered, lo, hi, new(Scratch))
			for i, from := range order {
				requireSame(t, want[from], dst[i*stride:][:rows])
			}
		})
	}
}

func mulVec(m matrix, x []float32, act Act, rows, lo, hi int) []float32 {
	var v Vec
	v.Set(x, act)
	dst := untouched(rows)
	m.MulVec(dst, &v, lo, hi)
	return dst
}

func untouched(n int) []float32 {
	dst := make([]float32, n)
	for i := range dst {
		dst[i] = -12345
	}
	return dst
}

func use(k *isa, f func()) {
	defer func(old *isa) { active = old }(active)
	active = k
	f()
}

// All 16 values of a 4-bit float under all scales are unpacked exactly.
func TestEveryMXFP4Weight(t *testing.T) {
	eachISA(t, func(t *testing.T, _ *isa) {
		for scale := range 255 {
			m := &MXFP4{Rows: 16, Cols: blockLen, Blocks: make([]byte, 16*halfBlock), Scales: make([]byte, 16)}
			for r := range 16 {
				m.Scales[r] = byte(scale)
				for k := range halfBlock {
					m.Blocks[r*halfBlock+k] = byte(r | r<<4)
				}
			}
			x := make([]float32, blockLen)
			x[scale%blockLen] = 1
			for _, act := range []Act{F32, Int8} {
				got := mulVec(m, x, act, 16, 0, 16)
				for r := range got {
					want := math.Ldexp(float64(fp4[r]), scale-127)
					switch {
					case act == F32 && math.Abs(want) > math.MaxFloat32:
						require.NotZero(t, got[r]-got[r], "scale %d: not finite", scale)
					case act == F32:
						require.Equal(t, float32(want), got[r], "scale %d", scale)
					case scale > 20 && scale < 250:
						require.InDelta(t, want, float64(got[r]), math.Abs(want)*1e-6, "scale %d", scale)
					}
				}
			}
		}
	})
}

// Shapes that do not fit are refused before anything is written.
func TestMisfitsPanic(t *testing.T) {
	s := newSource(plain)
	m := &BF16{4, 32, s.bf16(4 * 32)}
	q := quantize(*m)
	var floats, ints Vec
	floats.Set(s.floats(32), F32)
	ints.Set(s.floats(32), Int8)
	var b Batch
	b.Reset(2, 32, F32)
	b.Set(0, s.floats(32))
	b.Set(1, s.floats(32))
	dst := make([]float32, 8)
	m.MulBatch(dst, 4, &b, 0, 4, new(Scratch))
	for name, f := range map[string]func(){
		"rows":      func() { m.MulVec(dst, &floats, 0, 5) },
		"backwards": func() { m.MulVec(dst, &floats, 2, 1) },
		"columns":   func() { (&BF16{4, 16, m.Data}).MulVec(dst, &floats, 0, 1) },
		"data":      func() { (&BF16{8, 32, m.Data}).MulVec(dst, &floats, 0, 8) },
		"ints":      func() { m.MulVec(dst, &ints, 0, 4) },
		"floats":    func() { q.MulVec(dst, &floats, 0, 4) },
		"results":   func() { m.MulBatch(dst[:7], 4, &b, 0, 4, new(Scratch)) },
		"stride":    func() { m.MulBatch(dst, 3, &b, 0, 4, new(Scratch)) },
		"vector":    func() { b.Set(2, s.floats(32)) },
		"length":    func() { b.Set(0, s.floats(31)) },
	} {
		require.Panics(t, f, name)
	}
}

func FuzzTiersAgree(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint16(2880), uint8(17), []byte{1, 2, 3, 255}, []byte{120}, uint64(1))
	f.Add(uint8(1), uint8(1), uint16(33), uint8(5), []byte{0x80, 0x7f}, []byte{0}, uint64(2))
	f.Fuzz(func(t *testing.T, which, actIndex uint8, cols uint16, rows uint8, weights, scales []byte, seed uint64) {
		fm := formats[int(which)%len(formats)]
		act := fm.acts[int(actIndex)%len(fm.acts)]
		c, r := (int(cols)%600+fm.step)/fm.step*fm.step, int(rows)%24+1
		s := newSource(int(seed % kinds))
		var m matrix
		switch fm.name {
		case "mxfp4":
			x := &MXFP4{r, c, repeated(weights, r*c/2), repeated(scales, r*c/blockLen)}
			for i, v := range x.Scales {
				x.Scales[i] = min(v, 254)
			}
			m = x
		default:
			x := BF16{r, c, repeated(weights, r*c*2)}
			if m = &x; fm.name == "q8" {
				m = quantize(x)
			}
		}
		fm.make = func(*testing.T, *source, int, int) (matrix, func(int) []float64) { return m, nil }
		checkAgreement(t, fm, act, s, r, c)
	})
}

func repeated(b []byte, n int) []byte {
	out := make([]byte, n)
	for i := 0; i < n && len(b) > 0; i += len(b) {
		copy(out[i:], b)
	}
	return out
}

// fma32 rounds once: it is compared with arithmetic of 200 bits.
func TestFMA32(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.Uint32()
		a, b, c := math.Float32frombits(bits.Draw(t, "a")), math.Float32frombits(bits.Draw(t, "b")), math.Float32frombits(bits.Draw(t, "c"))
		if rapid.Bool().Draw(t, "near") { // c close to the product, where ties are
			c = math.Nextafter32(-a*b, c)
		}
		want, ok := bigFMA(a, b, c)
		if got := fma32(a, b, c); ok && want != got {
			t.Fatalf("fma(%g, %g, %g) = %g, not %g", a, b, c, got, want)
		}
	})
}

// quantize rounds m to 8 bits.
func quantize(m BF16) *Q8 {
	q := NewQ8(m.Rows, m.Cols)
	q.SetRows(0, m.Data)
	return q
}
