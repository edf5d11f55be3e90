package kernel

import (
	"fmt"
	"testing"
)

// The largest integers there are, of either sign, give the right sums: nothing
// overflows or saturates, whatever a level puts them in.
func TestLargestIntegers(t *testing.T) {
	const rows, cols, most = 18, 128, 21
	signs := []func(i int) bool{
		func(int) bool { return false },
		func(i int) bool { return i%2 == 1 },
		func(i int) bool { return i/2%2 == 1 },
		func(i int) bool { return i/16%2 == 1 },
		func(i int) bool { return i*i%7 < 3 },
	}
	for i, negative := range signs {
		four := &MXFP4{Rows: rows, Cols: cols, Blocks: make([]byte, rows*cols/2), Scales: make([]byte, rows*cols/blockLen)}
		wide := BF16{rows, cols, make([]byte, 2*rows*cols)}
		for r := range four.Scales {
			four.Scales[r] = 127
		}
		for e := range rows * cols {
			nibble, one := byte(7), uint16(0x3f80)
			if e%16 == 9 {
				nibble = 0
			}
			if negative(e % cols) {
				nibble, one = nibble|8, one|0x8000
			}
			four.Blocks[e/2] |= nibble << (e % 2 * 4)
			wide.Data[2*e], wide.Data[2*e+1] = byte(one), byte(one>>8)
		}
		for name, m := range map[string]matrix{"mxfp4": four, "q8": quantize(wide)} {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { checkLargest(t, m, rows, cols, most, signs) })
		}
	}
}

// checkLargest multiplies m by up to most vectors of 1 and -1.
func checkLargest(t *testing.T, m matrix, rows, cols, most int, signs []func(int) bool) {
	xs := make([][]float32, most)
	want := make([][]float32, most)
	for i := range xs {
		for c := range cols {
			v := float32(1)
			if signs[i%len(signs)](c) != (i >= len(signs)) {
				v = -1
			}
			xs[i] = append(xs[i], v)
		}
		use(generic, func() { want[i] = mulVec(m, xs[i], Int8, rows, 0, rows) })
	}
	eachISA(t, func(t *testing.T, _ *isa) {
		for n := 1; n <= most; n++ {
			var b Batch
			b.Reset(n, cols, Int8)
			for i, x := range xs[:n] {
				b.Set(i, x)
			}
			dst := make([]float32, n*rows)
			m.MulBatch(dst, rows, &b, 0, rows, new(Scratch))
			for i := range n {
				requireSame(t, want[i], dst[i*rows:][:rows])
			}
		}
		requireSame(t, want[0], mulVec(m, xs[0], Int8, rows, 0, rows))
	})
}
