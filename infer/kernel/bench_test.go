package kernel

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// Sizes of GPT-OSS 20b: an expert's first matrix has 5760 rows of 2880 columns.
const (
	benchRows = 5760
	benchCols = 2880
)

// benchCopies matrices are multiplied in turn, so that none stays in a cache.
func benchCopies(size int) int { return max(1, 256<<20/size) }

// BenchmarkMemory is the limit for the MulVec benchmarks: reading memory with
// one and two threads.
func BenchmarkMemory(b *testing.B) {
	var owner int
	mem := hugeBytes(&owner, bytes.Repeat(newSource(plain).bytes(1<<20), 256))
	defer runtime.KeepAlive(&owner)
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			b.SetBytes(int64(len(mem)))
			best := time.Duration(math.MaxInt64)
			for b.Loop() {
				start := time.Now()
				split(threads, len(mem), func(lo, hi int) { Sum64(mem[lo:hi]) })
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(len(mem))/float64(best), "GB/s")
		})
	}
}

// residences are where a benchmark's weights lie: in each thread's second-level cache
// (1 MiB or more on today's servers), in the third, or in memory, which is on huge
// pages as a mount's is.
var residences = []struct {
	name  string
	bytes int // of weights for each thread; 0: all copies in turn
}{{"L2", 512 << 10}, {"L3", 4 << 20}, {"memory", 0}}

// BenchmarkMulVec multiplies weights by one vector; bytes are those of the weights.
// GB/s is the best of many runs of some milliseconds, which company disturbs least.
func BenchmarkMulVec(b *testing.B) {
	for _, f := range benchFormats() {
		for _, k := range supported() {
			for _, at := range residences {
				for _, threads := range []int{1, 2} {
					b.Run(fmt.Sprintf("%s/%s/%s/threads=%d", f.name, k.name, at.name, threads), func(b *testing.B) {
						use(k, func() { benchMulVec(b, f, threads, at.bytes) })
					})
				}
			}
		}
	}
}

func benchMulVec(b *testing.B, f benchFormat, threads, resident int) {
	var x Vec
	x.Set(newSource(plain).floats(benchCols), f.act)
	dst := make([]float32, benchRows)
	rows, rounds := benchRows, 1
	if resident > 0 {
		rows = min(resident*threads*benchRows/f.bytes, benchRows) / 32 * 32
		rounds = max(benchRows/rows, 1)
	}
	bytes := f.bytes * rows / benchRows * rounds
	b.SetBytes(int64(bytes))
	best := time.Duration(math.MaxInt64)
	for i := 0; b.Loop(); i++ {
		m := f.matrices[0]
		if resident == 0 {
			m = f.matrices[i%len(f.matrices)]
		}
		start := time.Now()
		split(threads, rows, func(lo, hi int) {
			for range rounds {
				m.MulVec(dst, &x, lo, hi)
			}
		})
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(bytes)/float64(best), "GB/s")
}

// BenchmarkMulBatch reports 10^9 multiplications a second on one thread, the best of
// many runs. An expert's share of a prompt of 512 is 64 vectors.
func BenchmarkMulBatch(b *testing.B) {
	const rows = 512
	for _, f := range benchFormats() {
		for _, k := range supported() {
			for _, n := range []int{4, 8, 12, 16, 32, 64, 512} {
				b.Run(fmt.Sprintf("%s/%s/n=%d", f.name, k.name, n), func(b *testing.B) {
					use(k, func() {
						var x Batch
						var s Scratch
						x.Reset(n, benchCols, f.act)
						for i := range n {
							x.Set(i, newSource(plain).floats(benchCols))
						}
						dst := make([]float32, n*rows)
						best := time.Duration(math.MaxInt64)
						for i := 0; b.Loop(); i++ {
							start := time.Now()
							f.matrices[i%len(f.matrices)].MulBatch(dst, rows, &x, 0, rows, &s)
							best = min(best, time.Since(start))
						}
						b.ReportMetric(float64(n*rows*benchCols)/float64(best), "GMAC/s")
					})
				})
			}
		}
	}
}

// BenchmarkMulFew multiplies weights from memory by as many vectors as there are
// texts decoded together, on two threads; bytes are those of the weights.
func BenchmarkMulFew(b *testing.B) {
	for _, f := range benchFormats() {
		for _, k := range supported() {
			for _, n := range []int{1, 2, 3, 4, 6, 8} {
				b.Run(fmt.Sprintf("%s/%s/n=%d", f.name, k.name, n), func(b *testing.B) {
					use(k, func() { benchMulFew(b, f, n) })
				})
			}
		}
	}
}

func benchMulFew(b *testing.B, f benchFormat, n int) {
	const threads = 2
	var x Batch
	x.Reset(n, benchCols, f.act)
	for i := range n {
		x.Set(i, newSource(plain).floats(benchCols))
	}
	dst := make([]float32, n*benchRows)
	var s [threads]Scratch
	b.SetBytes(int64(f.bytes))
	best := time.Duration(math.MaxInt64)
	for i := 0; b.Loop(); i++ {
		m := f.matrices[i%len(f.matrices)]
		start := time.Now()
		split(threads, benchRows, func(lo, hi int) {
			m.MulBatch(dst, benchRows, &x, lo, hi, &s[min(lo, 1)])
		})
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(f.bytes)/float64(best), "GB/s")
}

type benchFormat struct {
	name     string
	act      Act
	bytes    int
	matrices []matrix
}

var benchFormats = sync.OnceValue(func() []benchFormat {
	s := newSource(plain)
	nb := benchCols / blockLen
	base := &MXFP4{benchRows, benchCols, s.bytes(benchRows * nb * halfBlock), s.scales(benchRows * nb)}
	wide := BF16{benchRows, benchCols, s.bf16(benchRows * benchCols)}
	eight := quantize(wide)
	formats := []benchFormat{
		{name: "mxfp4-f32", act: F32, bytes: benchRows * nb * 17},
		{name: "mxfp4-int8", act: Int8, bytes: benchRows * nb * 17},
		{name: "bf16-f32", act: F32, bytes: len(wide.Data)},
		{name: "q8-int8", act: Int8, bytes: eight.Bytes()},
	}
	for i := range formats {
		f := &formats[i]
		for range benchCopies(f.bytes) {
			switch f.name[:2] {
			case "mx":
				c := *base
				c.Blocks = hugeBytes(&c, c.Blocks)
				c.Scales = hugeBytes(&c, c.Scales)
				f.matrices = append(f.matrices, &c)
			case "bf":
				c := wide
				c.Data = hugeBytes(&c, c.Data)
				f.matrices = append(f.matrices, &c)
			default:
				c := *eight
				c.data = hugeInt8(&c, len(eight.data))
				copy(c.data, eight.data)
				c.scales = append([]uint16{}, c.scales...)
				f.matrices = append(f.matrices, &c)
			}
		}
	}
	return formats
})

// hugeBytes is a copy of b on huge pages, for as long as its owner.
func hugeBytes[T any](owner *T, b []byte) []byte {
	memory := hugeInt8(owner, len(b))
	huge := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(memory))), len(b))
	copy(huge, b)
	return huge
}

// split calls f for equal parts of 0 to n on a number of threads.
func split(threads, n int, f func(lo, hi int)) {
	var wg sync.WaitGroup
	for t := range threads {
		wg.Go(func() { f(n*t/threads/16*16, n*(t+1)/threads/16*16) })
	}
	wg.Wait()
}

// BenchmarkSet prepares activations.
func BenchmarkSet(b *testing.B) {
	x := newSource(plain).floats(benchCols)
	for _, act := range []Act{F32, BF16Act, Int8} {
		for _, k := range supported() {
			b.Run(act.String()+"/"+k.name, func(b *testing.B) {
				use(k, func() {
					var v Vec
					b.SetBytes(4 * benchCols)
					for b.Loop() {
						v.Set(x, act)
					}
				})
			})
		}
	}
}

// BenchmarkElementwise has the sizes of one expert, and of one head's attention
// over 512 positions.
func BenchmarkElementwise(b *testing.B) {
	s := newSource(plain)
	a, dst := s.floats(2*benchCols), make([]float32, benchCols)
	keys, scores := make([]uint16, 512*64), make([]float32, 512)
	RoundBF16(keys, s.floats(len(keys)))
	for _, k := range supported() {
		for _, op := range []struct {
			name  string
			bytes int
			f     func()
		}{
			{"swiglu", 8 * benchCols, func() { SwiGLU(dst, a, 7, 1.702) }},
			{"softmax", 4 * 512, func() { Softmax(scores, 1) }},
			{"dots", 2 * len(keys), func() { DotsBF16(scores, a[:64], keys, 0.125) }},
			{"weighted", 2 * len(keys), func() { AddWeightedBF16(dst[:64], a[:512], keys) }},
			{"weighted32", 64 * 512, func() { AddWeightedBF16(dst[:32], a[:512], keys[:32*512]) }},
			{"rmsnorm", 4 * benchCols, func() { RMSNorm(dst, a[:benchCols], a[benchCols:], 1e-5) }},
		} {
			b.Run(op.name+"/"+k.name, func(b *testing.B) {
				use(k, func() {
					b.SetBytes(int64(op.bytes))
					for b.Loop() {
						op.f()
					}
				})
			})
		}
	}
}
