package infer

import (
	"fmt"
	"testing"
)

// BenchmarkAttend measures what one group of heads costs a token whose text is so
// long, in the dimensions of the published models.
func BenchmarkAttend(b *testing.B) {
	for _, kind := range []KVKind{KVF32, KVBF16, KVQ8} {
		for _, n := range []int{128, 1024, 8192} {
			b.Run(fmt.Sprint(kind, "-", n), func(b *testing.B) {
				a := &attention{heads: 64, kvHeads: 8, headDim: 64, sinks: make([]float32, 64)}
				cache := &kvCache{heads: 8, headDim: 64, kind: kind}
				cache.grow(0, n)
				kv := make([]float32, 8*64)
				for p := range n {
					cache.put(p, kv, kv)
				}
				mixed, queries := make([]float32, 64*64), make([]float32, 64*64)
				var space attendSpace
				for i := range b.N {
					a.attend(mixed, queries, i%8, cache, n-1, &space)
				}
			})
		}
	}
}
