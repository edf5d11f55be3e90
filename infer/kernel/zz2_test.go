package kernel

import (
	"fmt"
	"os"
	"sort"
	"testing"
	"time"
)

func TestZG(t *testing.T) {
	if os.Getenv("ZG") == "" {
		t.Skip()
	}
	const n, rows = 64, 128
	for rep := 0; rep < 2; rep++ {
		for _, f := range benchFormats() {
			var x Batch
			var s Scratch
			x.Reset(n, benchCols, f.act)
			for i := range n {
				x.Set(i, newSource(plain).floats(benchCols))
			}
			dst := make([]float32, n*rows)
			for _, k := range supported() {
				if k.name == "generic" {
					continue
				}
				use(k, func() {
					var ts []float64
					for i := 0; i < 60; i++ {
						t := time.Now()
						f.matrices[i%len(f.matrices)].MulBatch(dst, rows, &x, 0, rows, &s)
						ts = append(ts, time.Since(t).Seconds())
						if i > 3 && ts[0] > 0.3 {
							break
						}
					}
					sort.Float64s(ts)
					g := float64(n*rows*benchCols) / 1e9
					fmt.Printf("%-24s best %7.1f p25 %7.1f median %7.1f GMAC/s\n", f.name+"/"+k.name, g/ts[0], g/ts[len(ts)/4], g/ts[len(ts)/2])
				})
			}
		}
	}
}
