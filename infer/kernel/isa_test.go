package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChooseLevel(t *testing.T) {
	levels := []*isa{generic, {name: "fast"}}
	k, err := choose("", levels)
	require.NoError(t, err)
	require.Equal(t, "fast", k.name)
	k, err = choose("generic", levels)
	require.NoError(t, err)
	require.Equal(t, "generic", k.name)
	k, err = choose("sse9", levels)
	require.ErrorContains(t, err, `EXPERTFS_KERNEL="sse9": no such kernel on this processor, which has generic, fast`)
	require.Equal(t, "fast", k.name)
}

func TestNames(t *testing.T) {
	require.Equal(t, "generic", Names()[0])
	require.Contains(t, Names(), Name())
}

// Levels have names and ranks of their own, and what is active is usable.
func TestLevelsAreRegistered(t *testing.T) {
	names, ranks := map[string]bool{}, map[int]bool{}
	for _, k := range registered {
		require.False(t, names[k.name] || ranks[k.rank], k.name)
		names[k.name], ranks[k.rank] = true, true
	}
	require.True(t, active.usable())
	require.Equal(t, active == generic, Portable())
}

// Every level implements everything.
func TestLevelsAreComplete(t *testing.T) {
	for _, k := range supported() {
		has := []bool{
			k.bf16Vec != nil, k.mxfp4Float != nil, k.mxfp4Int8 != nil, k.q8Vec != nil, k.quantize != nil,
			k.split != nil, k.swiglu != nil, k.expSum != nil, k.dotsF32 != nil, k.dotsBF16 != nil, k.addWeightedF32 != nil,
			k.addWeightedBF16 != nil, k.sum64 != nil, k.add != nil, k.addScaled != nil, k.addBF16 != nil,
		}
		require.Equal(t, k.bf16Batch != nil, k.mxfp4BF16 != nil, k.name)
		require.Equal(t, k.q8Batch != nil, k.mxfp4Tile != nil, k.name)
		require.NotContains(t, has, false, k.name)
	}
}
