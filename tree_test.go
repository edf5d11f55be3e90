package expertfs_test

import (
	"fmt"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNamesArePaddedToTheLargest(t *testing.T) {
	n := expertfs.Names{Layers: 101, Experts: 5}
	k := expertfs.Key{Layer: 7, Expert: 3}
	require.Equal(t, "007", n.Layer(7))
	require.Equal(t, "03.safetensors", n.Expert(3))
	require.Equal(t, "007-03.safetensors", n.Resident(k))
	require.Equal(t, "../../layers/007/experts/03.safetensors", n.ResidentTarget(k))
	require.Equal(t, "layers/007/experts/03.safetensors", n.ExpertPath(k))
	require.Equal(t, "layers/007/dense.safetensors", n.DensePath(7))
	require.Equal(t, "dense/unembedding.safetensors", expertfs.UnembeddingPath)
	require.Equal(t, ".expertfs/stats.json", expertfs.ControlPath(expertfs.StatsJSONFile))
	require.Equal(t, "layers/00/experts/127.safetensors", expertfs.Names{Layers: 36, Experts: 128}.ExpertPath(expertfs.NewKey(0, 127)))
}

func TestNoOtherSpellingIsRead(t *testing.T) {
	n := expertfs.Names{Layers: 101, Experts: 5}
	for _, name := range []string{"", "7", "07", "0007", "101", "-01", "+01", "0x1", "00７"} {
		_, ok := n.ParseLayer(name)
		require.False(t, ok, name)
	}
	for _, name := range []string{"05.safetensors", "03", "3.safetensors", "03.safetensors.safetensors", ".safetensors"} {
		_, ok := n.ParseExpert(name)
		require.False(t, ok, name)
	}
	for _, name := range []string{"007", "007-03", "07-03.safetensors", "007-05.safetensors", "007--3.safetensors", "-"} {
		_, ok := n.ParseResident(name)
		require.False(t, ok, name)
	}
	for _, path := range []string{"007/experts/03.safetensors", "layers/layers/007/experts/03.safetensors", "layers/007/03.safetensors",
		"layers/7/experts/03.safetensors", "/layers/007/experts/03.safetensors"} {
		_, ok := n.ParseExpertPath(path)
		require.False(t, ok, path)
	}
}

// TestNamesAreReadBack: every name of every shape is read back, and sorts as its
// number does.
func TestNamesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := expertfs.Names{Layers: rapid.IntRange(1, 1<<16).Draw(t, "layers"), Experts: rapid.IntRange(1, 1<<16).Draw(t, "experts")}
		k := expertfs.NewKey(rapid.IntRange(0, n.Layers-1).Draw(t, "layer"), rapid.IntRange(0, n.Experts-1).Draw(t, "expert"))
		l, ok := n.ParseLayer(n.Layer(int(k.Layer)))
		require.True(t, ok)
		require.Equal(t, int(k.Layer), l)
		e, ok := n.ParseExpert(n.Expert(int(k.Expert)))
		require.True(t, ok)
		require.Equal(t, int(k.Expert), e)
		for _, read := range []func() (expertfs.Key, bool){
			func() (expertfs.Key, bool) { return n.ParseResident(n.Resident(k)) },
			func() (expertfs.Key, bool) { return n.ParseExpertPath(n.ExpertPath(k)) },
		} {
			back, ok := read()
			require.True(t, ok)
			require.Equal(t, k, back)
		}
		if k.Expert > 0 {
			require.Less(t, n.Expert(int(k.Expert)-1), n.Expert(int(k.Expert)))
		}
	})
}

func TestKeysOutOfRangePanic(t *testing.T) {
	require.Equal(t, expertfs.Key{Layer: expertfs.MaxIndex, Expert: 1}, expertfs.NewKey(expertfs.MaxIndex, 1))
	require.Panics(t, func() { expertfs.NewKey(-1, 0) })
	require.Panics(t, func() { expertfs.NewKey(0, expertfs.MaxIndex+1) })
	require.Equal(t, "layer 3 expert 7", fmt.Sprint(expertfs.NewKey(3, 7)))
}
