package kernel

import (
	"fmt"
	"os"
	"sort"
	"testing"
	"time"
)

func trial(name string, n, bytes int, f func(i int)) {
	var ts []float64
	for i := 0; i < n; i++ {
		t := time.Now()
		f(i)
		ts = append(ts, time.Since(t).Seconds())
	}
	sort.Float64s(ts)
	fmt.Printf("%-28s best %6.2f  p10 %6.2f  p25 %6.2f  median %6.2f GB/s\n", name, float64(bytes)/ts[0]/1e9, float64(bytes)/ts[len(ts)/10]/1e9, float64(bytes)/ts[len(ts)/4]/1e9, float64(bytes)/ts[len(ts)/2]/1e9)
}

func TestZZ(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	fs := benchFormats()
	dst := make([]float32, benchRows)
	bf := fs[2].matrices
	for rep := 0; rep < 2; rep++ {
		trial("sum64", 200, 4<<20, func(i int) {
			d := bf[i%len(bf)].(*BF16).Data
			o := (i / len(bf)) % 4 * (4 << 20)
			Sum64(d[o : o+4<<20])
		})
		trial("sum64 2t", 300, 16<<20, func(i int) {
			d := bf[i%len(bf)].(*BF16).Data
			split(2, 16<<20, func(lo, hi int) { Sum64(d[lo:hi]) })
		})
		for _, f := range fs {
			var x Vec
			x.Set(newSource(plain).floats(benchCols), f.act)
			for _, k := range supported()[1:] {
				if k.name == "amx" { continue }
				use(k, func() {
					trial(f.name+"/"+k.name+" 2t", 300, f.bytes, func(i int) {
						split(2, benchRows, func(lo, hi int) { f.matrices[i%len(f.matrices)].MulVec(dst, &x, lo, hi) })
					})
				})
			}
		}
		for _, f := range fs {
			var x Vec
			x.Set(newSource(plain).floats(benchCols), f.act)
			const rows = 1440
			for _, k := range supported() {
				if k.name == "generic" || k.name == "amx" {
					continue
				}
				use(k, func() {
					trial(f.name+"/"+k.name, 200, f.bytes*rows/benchRows, func(i int) {
						lo := (i / len(f.matrices)) % (benchRows / rows) * rows
						f.matrices[i%len(f.matrices)].MulVec(dst, &x, lo, lo+rows)
					})
				})
			}
		}
	}
}
