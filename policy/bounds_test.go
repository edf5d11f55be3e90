package policy

import (
	"math/rand/v2"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/assert"
)

// TestStreamsTakeBoundedMemory: whatever numbers steps have, forecast keeps a
// bounded number of streams, fewer of a large model.
func TestStreamsTakeBoundedMemory(t *testing.T) {
	for s, want := range map[expertfs.Shape]int{
		{Layers: 3, Experts: 8, TopK: 2}:     MaxStreams,
		{Layers: 4096, Experts: 64, TopK: 1}: 4,
	} {
		p, err := New("forecast", s, 1)
		assert.NoError(t, err)
		f := p.(*forecast)
		count := func() (n int) {
			for _, stream := range f.streams {
				if stream != nil {
					n++
				}
			}
			return n
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range want + 8 {
			f.Step(Step{Stream: rng.Int() - rng.Int(), Used: []expertfs.Key{{}}})
			assert.LessOrEqual(t, count(), want)
			assert.LessOrEqual(t, len(f.pace.active), count())
		}
		for stream := range want {
			f.Step(Step{Stream: stream, Used: []expertfs.Key{{}}})
			f.EndStream(stream + MaxStreams)
		}
		for stream := range MaxStreams {
			f.EndStream(stream)
		}
		assert.Zero(t, count())
		assert.Empty(t, f.pace.active)
	}
}
