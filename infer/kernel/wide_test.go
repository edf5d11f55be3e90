package kernel

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// wideMatrices are a matrix of each kind, ending where memory does, and its values.
func wideMatrices(t *testing.T, rows, cols int) (all map[string]*Wide, values map[string][]float32) {
	t.Helper()
	s := newSource(plain)
	all, values = map[string]*Wide{}, map[string][]float32{}
	add := func(name string, m *Wide, v []float32) {
		m.Rows, m.Cols = rows, cols
		m.Data, m.Scales = guarded(t, m.Data), guarded(t, m.Scales)
		all[name], values[name] = m, v
	}
	f32 := &Wide{Kind: WideF32}
	v := s.floats(rows * cols)
	for _, x := range v {
		f32.Data = binary.LittleEndian.AppendUint32(f32.Data, math.Float32bits(x))
	}
	add("F32", f32, v)
	f16 := &Wide{Kind: WideF16, Data: s.bytes(2 * rows * cols)}
	v = nil
	for i := 1; i < len(f16.Data); i += 2 {
		f16.Data[i] &= 0xBF // finite, and below 2
		v = append(v, FromF16(binary.LittleEndian.Uint16(f16.Data[i-1:])))
	}
	add("F16", f16, v)
	if cols%32 == 0 {
		q := &Wide{Kind: WideQ8_0, Data: s.bytes(rows * cols), Scales: s.bytes(rows * cols / 16)}
		for i := 1; i < len(q.Scales); i += 2 {
			q.Scales[i] &= 0x3F
		}
		v = nil
		for i, b := range q.Data {
			v = append(v, float32(int8(b))*FromF16(binary.LittleEndian.Uint16(q.Scales[i/32*2:])))
		}
		add("Q8_0", q, v)
	}
	return all, values
}

// TestWide compares every level and every split with the order that the
// documentation gives, in float64 where that is exact enough, and in bits.
func TestWide(t *testing.T) {
	for _, cols := range []int{1, 31, 32, 96, 100, 288} {
		const rows, n = 37, 5
		all, values := wideMatrices(t, rows, cols)
		s := newSource(plain)
		vectors := s.floats(n * cols)
		for name, m := range all {
			var want []float32
			eachISA(t, func(t *testing.T, k *isa) {
				for _, act := range []Act{F32, BF16Act} {
					var batch Batch
					batch.Reset(n, cols, act)
					got := make([]float32, n*rows)
					for i := range n {
						x := vectors[i*cols : (i+1)*cols]
						batch.Set(i, x)
						var v Vec
						v.Set(x, act)
						m.MulVec(got[i*rows:(i+1)*rows], &v, 0, 20)
						m.MulVec(got[i*rows:(i+1)*rows], &v, 20, rows)
						for r := range rows {
							var sum, size float64
							for c, w := range values[name][r*cols : (r+1)*cols] {
								f := x[c]
								if act == BF16Act {
									f = roundBF16(f)
								}
								sum += float64(w) * float64(f)
								size += math.Abs(float64(w) * float64(f))
							}
							require.InDelta(t, sum, float64(got[i*rows+r]), 1e-6*size+1e-30, "%s, %d columns, row %d", name, cols, r)
						}
					}
					again := make([]float32, n*rows)
					m.MulBatch(again, rows, &batch, 0, 5, nil)
					m.MulBatch(again, rows, &batch, 5, rows, nil)
					requireSame(t, got, again)
					floats := m.Floats()
					clear(again)
					floats.MulBatch(again, rows, &batch, 0, 5, nil)
					floats.MulBatch(again, rows, &batch, 5, rows, nil)
					requireSame(t, got, again)
					for i := range n {
						var v Vec
						v.Set(vectors[i*cols:(i+1)*cols], act)
						clear(again[:rows])
						floats.MulVec(again[:rows], &v, 0, 20)
						floats.MulVec(again[:rows], &v, 20, rows)
						requireSame(t, got[i*rows:(i+1)*rows], again[:rows])
					}
					if act == F32 {
						if want == nil {
							want = got
						}
						requireSame(t, want, got)
					}
				}
			})
			row := make([]float32, cols)
			m.Row(row, rows-1)
			requireSame(t, values[name][(rows-1)*cols:], row)
		}
	}
}

func TestFromF16(t *testing.T) {
	for h := range 1 << 16 {
		exp, frac := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = math.Ldexp(frac, -24)
		case exp == 31 && frac == 0:
			want = math.Inf(1)
		case exp == 31:
			require.True(t, isNaN(FromF16(uint16(h))))
			continue
		}
		require.Equal(t, float32(math.Copysign(want, 0.5-float64(h>>15))), FromF16(uint16(h)), "%#x", h)
	}
}

// TestSetFloatsIsSetRows for numbers that are bfloat16.
func TestSetFloatsIsSetRows(t *testing.T) {
	for kind := range poison {
		for _, cols := range []int{32, 50, 96} {
			const rows = 21
			data := newSource(kind).bf16(rows * cols)
			want, got := NewQ8(rows, cols), NewQ8(rows, cols)
			want.SetRows(0, data)
			var floats []float32
			for i := 0; i < len(data); i += 2 {
				floats = append(floats, fromBF16(binary.LittleEndian.Uint16(data[i:])))
			}
			got.SetFloats(0, floats[:5*cols])
			got.SetFloats(5, floats[5*cols:])
			require.Equal(t, want.data, got.data)
			require.Equal(t, want.scales, got.scales)
		}
	}
}

// TestSetQ8_0 multiplies by vectors that 8 bits hold exactly, so that the result is
// that of the file's integers and of the scales rounded to bfloat16.
func TestSetQ8_0(t *testing.T) {
	const rows, cols = 19, 96
	all, _ := wideMatrices(t, rows, cols)
	m := all["Q8_0"]
	q := NewQ8(rows, cols)
	q.SetQ8_0(0, m.Data[:7*cols], m.Scales[:7*cols/16])
	q.SetQ8_0(7, m.Data[7*cols:], m.Scales[7*cols/16:])
	x := make([]float32, cols)
	for i := range x {
		x[i] = float32(i%255 - 127)
	}
	for b := range cols / 32 {
		x[32*b] = 127 // so that every block's scale is 1
	}
	var v Vec
	v.Set(x, Int8)
	got := make([]float32, rows)
	q.MulVec(got, &v, 0, rows)
	for r := range rows {
		var want, size float64
		for c, f := range x {
			scale := roundBF16(FromF16(binary.LittleEndian.Uint16(m.Scales[(r*cols+c)/32*2:])))
			p := float64(int8(m.Data[r*cols+c])) * float64(scale) * float64(f)
			want += p
			size += math.Abs(p)
		}
		require.InDelta(t, want, float64(got[r]), 1e-6*size)
	}
}
