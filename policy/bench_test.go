package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

// BenchmarkVictim is one miss of a 120b-sized model with a quarter of it
// resident: choose a victim, remove it, insert another.
func BenchmarkVictim(b *testing.B) {
	s := expertfs.Shape{Layers: 36, Experts: 128, TopK: 4, ExpertBytes: expertBytes, Budget: 1152 * expertBytes}
	for _, name := range policy.Names() {
		for _, residents := range []int{288, 1152, 4608 - 4} {
			b.Run(fmt.Sprintf("%s/%d", name, residents), func(b *testing.B) {
				p, err := policy.New(name, s, 7)
				require.NoError(b, err)
				run(p, s, residents, 3*36, 1)
				for i := 0; len(slices.Collect(p.Victims())) < residents; i++ {
					p.Insert(key(i/s.Experts, i%s.Experts), expertBytes)
				}
				for b.Loop() {
					k, _ := first(p)
					p.Remove(k)
					p.Insert(k, expertBytes)
				}
			})
		}
	}
}

// BenchmarkStepOfStreams is one step of the default, of so many readers in turn.
func BenchmarkStepOfStreams(b *testing.B) {
	s := expertfs.Shape{Layers: 24, Experts: 32, TopK: 4, ExpertBytes: expertBytes, Budget: 192 * expertBytes}
	for _, streams := range []int{1, 2, 4, 16} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			p, err := policy.New(policy.Default, s, 7)
			require.NoError(b, err)
			runStreams(p, s, 100, 3*s.Layers*streams, 1, streams, func(i int) int { return i })
			i := 0
			for b.Loop() {
				turn := i / streams
				layer := turn % s.Layers
				p.Step(policy.Step{Stream: i % streams, Layer: layer, Used: keys(layer, 1, 5, 9, (turn/s.Layers+i%streams)%s.Experts)})
				i++
			}
		})
	}
}

// BenchmarkStep is one step of a model: 24 and 36 of them are a token of 20b and
// 120b.
func BenchmarkStep(b *testing.B) {
	for size, s := range map[string]expertfs.Shape{
		"20b":  {Layers: 24, Experts: 32, TopK: 4, ExpertBytes: expertBytes, Budget: 192 * expertBytes},
		"120b": {Layers: 36, Experts: 128, TopK: 4, ExpertBytes: expertBytes, Budget: 1152 * expertBytes},
	} {
		for _, name := range policy.Names() {
			b.Run(name+"/"+size, func(b *testing.B) {
				p, err := policy.New(name, s, 7)
				require.NoError(b, err)
				run(p, s, 100, 3*s.Layers, 1)
				i := 0
				for b.Loop() {
					step(p, i%s.Layers, keys(i%s.Layers, 1, 5, 9, (i/s.Layers)%s.Experts))
					i++
				}
			})
		}
	}
}

// BenchmarkStream is the first and the last step of a reader, while another one
// decodes: what a policy keeps of each stream is made.
func BenchmarkStream(b *testing.B) {
	for size, s := range map[string]expertfs.Shape{
		"20b":  {Layers: 24, Experts: 32, TopK: 4, ExpertBytes: expertBytes, Budget: 192 * expertBytes},
		"120b": {Layers: 36, Experts: 128, TopK: 4, ExpertBytes: expertBytes, Budget: 1152 * expertBytes},
	} {
		b.Run(size, func(b *testing.B) {
			p, err := policy.New(policy.Default, s, 7)
			require.NoError(b, err)
			run(p, s, 100, 3*s.Layers, 1)
			for b.Loop() {
				p.Step(policy.Step{Stream: 1, Layer: 3, Used: keys(3, 1, 5, 9, 30)})
				p.(policy.StreamEnder).EndStream(1)
			}
		})
	}
}
