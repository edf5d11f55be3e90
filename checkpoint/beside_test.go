package checkpoint

import (
	"testing"

	"expertfs"
	"expertfs/checkpoint/checkpointtest/reference"

	"github.com/stretchr/testify/require"
)

// Each range is made of pieces of experts that follow each other, and of nothing else.
func TestBesideIsPiecesOfNeighbours(t *testing.T) {
	for _, form := range []string{"a64/hf", "a64/original", "a64/gguf/bf16.gguf"} {
		t.Run(form, func(t *testing.T) {
			c, err := Open(reference.Path(t, form))
			require.NoError(t, err)
			defer c.Close()
			at := map[Extent]bool{}
			largest := int64(0)
			for layer := range c.Config().Layers {
				for expert := range c.Config().Experts {
					for _, e := range c.Expert(expertfs.NewKey(layer, expert)).Extents() {
						at[e] = true
						largest = max(largest, e.Len)
					}
				}
			}
			all := c.Beside()
			require.Equal(t, form == "a64/gguf/bf16.gguf", len(all) == 0, "whose biases of F32 are large beside its experts")
			for _, r := range all {
				require.LessOrEqual(t, r.Len, c.ExpertSize()/besidePart)
				pieces := 0
				for off := r.Off; off < r.Off+r.Len; pieces++ {
					n := int64(1)
					for ; n <= largest && !at[Extent{File: r.File, Off: off, Len: n}]; n++ {
					}
					require.LessOrEqual(t, n, largest, "no piece of an expert is at %d", off)
					off += n
				}
				require.GreaterOrEqual(t, pieces, besideFewer)
			}
		})
	}
}
