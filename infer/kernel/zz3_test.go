package kernel

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestZA(t *testing.T) {
	if os.Getenv("ZA") == "" {
		t.Skip()
	}
	const n, cols, nb = 64, 2880, 90
	var x Batch
	x.Reset(n, cols, Int8)
	for i := range n {
		x.Set(i, newSource(plain).floats(cols))
	}
	m := QuantizeQ8(BF16{16, cols, newSource(plain).bf16(16 * cols)})
	dst := make([]float32, 16*n)
	mx := newSource(plain)
	blocks, scales := mx.bytes(16*nb*16), mx.scales(16*nb)
	for rep := 0; rep < 3; rep++ {
		best := map[string]time.Duration{}
		upd := func(k string, f func()) {
			for range 300 {
				t := time.Now()
				f()
				if d := time.Since(t); best[k] == 0 || d < best[k] {
					best[k] = d
				}
			}
		}
		c := 0.0; ci, mul := rep, len(dst)
		upd("spin1000", func() {
			for range 1000 {
				ci = ci * mul
			}
		})
		upd("amx", func() { amx.q8Batch(dst, 16, m.data, m.scales, x.ints, nb) })
		upd("avx512", func() { avx512.q8Batch(dst, 16, m.data, m.scales, x.ints, nb) })
		upd("tile", func() { avx512.mxfp4Tile(m.data, m.scales, blocks, scales) })
		var xf Batch
		xf.Reset(45, cols, F32)
		bm := BF16{64, cols, mx.bf16(64 * cols)}
		mm := MXFP4{64, cols, mx.bytes(64*nb*16), mx.scales(64*nb)}
		d2 := make([]float32, 64*64)
		var sc Scratch
		upd("bf16", func() { bm.MulBatch(d2, 64, &xf, 0, 64, &sc) })
		upd("mxf", func() { mm.MulBatch(d2, 64, &xf, 0, 64, &sc) })
		upd("mxi", func() { mm.MulBatch(d2, 64, &x, 0, 64, &sc) })
		gf := float64(45*cols*64)
		fmt.Printf("ghz bf16 %.1f mxfp4-f32 %.1f mxfp4-int8 %.1f\n", gf/float64(best["bf16"].Nanoseconds()), gf/float64(best["mxf"].Nanoseconds()), float64(64*cols*64)/float64(best["mxi"].Nanoseconds()))
		g := float64(n * cols * 16)
		fmt.Printf("ghz %.2f  amx %.1f GMAC/s %.1f ns/block  avx512 %.1f  tile %v %v\n", 3000/float64(best["spin1000"].Nanoseconds()), g/float64(best["amx"].Nanoseconds()), float64(best["amx"].Nanoseconds())/4/90, g/float64(best["avx512"].Nanoseconds()), best["tile"], c+float64(ci))
	}
}
