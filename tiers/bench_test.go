package tiers

import (
	"context"
	"testing"

	"expertfs"
)

// openB opens and releases an expert.
func openB(b *testing.B, c *Cache, k expertfs.Key) {
	h, err := c.Open(context.Background(), k)
	if err != nil {
		b.Fatal(err)
	}
	h.Release()
}

// BenchmarkHit opens and releases an expert in RAM.
func BenchmarkHit(b *testing.B) {
	c, err := New(tiny(b), Options{Budget: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	openB(b, c, key(0, 0))
	for b.Loop() {
		openB(b, c, key(0, 0))
	}
}

// BenchmarkMiss opens experts in turns for which RAM does not suffice: all
// that a miss costs beside the reading of large files.
func BenchmarkMiss(b *testing.B) {
	c, err := New(tiny(b), Options{Budget: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for i := 0; b.Loop(); i++ {
		openB(b, c, key(i/32%4, i%32))
	}
}
