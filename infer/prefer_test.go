package infer

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// testPreference is one of 4 of 16 experts whose residents are given.
func testPreference(margin float64, resident []byte) *preference {
	p := newPreference(margin, 1, len(resident), 4, nil, new(Stats))
	p.resident, p.on = resident, true
	return p
}

// TestRuleOfPreference draws logits and residents, some logits equal, and holds the
// choice to what the rule says, expert by expert.
func TestRuleOfPreference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	replaced := 0
	for range 20_000 {
		const margin = 0.5
		logits, resident := make([]float32, 16), make([]byte, 16)
		for e := range logits {
			// Quarters, so that no sum is rounded and ties occur.
			logits[e], resident[e] = float32(r.IntN(24))/4, byte(r.IntN(2))
		}
		before := make([]int, 4)
		topK(before, logits)
		p := testPreference(margin, resident)
		after := slices.Clone(before)
		n := p.replace(after, logits)
		replaced += n

		gone := slices.DeleteFunc(slices.Clone(before), func(e int) bool { return slices.Contains(after, e) })
		come := slices.DeleteFunc(slices.Clone(after), func(e int) bool { return slices.Contains(before, e) })
		require.Len(t, come, n)
		require.Len(t, gone, n)
		for _, e := range gone {
			require.NotEqual(t, expertfs.InMemory, resident[e], "what is in RAM stays chosen")
		}
		for _, c := range come {
			require.Equal(t, expertfs.InMemory, resident[c], "only what is in RAM is put in")
			for _, g := range gone {
				require.LessOrEqual(t, logits[g]-logits[c], float32(margin), "nothing is passed over for what is further below")
			}
		}
		for e := range logits { // nobody in RAM is left out who would be let in
			for _, g := range after {
				if resident[e] == expertfs.InMemory && resident[g] != expertfs.InMemory && !slices.Contains(after, e) {
					require.LessOrEqual(t, logits[e]+margin, logits[g])
				}
			}
		}
		require.True(t, slices.IsSortedFunc(after, func(a, b int) int {
			if logits[a] != logits[b] {
				return int(4 * (logits[b] - logits[a]))
			}
			return a - b
		}), "best first by the true logits")
		if n == 0 {
			require.Equal(t, before, after)
		}
	}
	require.Positive(t, replaced)
}

// TestPreferenceWithNothingToPrefer: all in RAM, or nothing, changes no choice.
func TestPreferenceWithNothingToPrefer(t *testing.T) {
	logits := []float32{3, 1, 4, 1.5, 9, 2, 6, 5, 3.5, 8}
	for _, in := range []byte{expertfs.NotInMemory, expertfs.InMemory} {
		chosen := make([]int, 4)
		topK(chosen, logits)
		p := testPreference(100, slices.Repeat([]byte{in}, len(logits)))
		require.Zero(t, p.replace(chosen, logits))
		require.Equal(t, []int{4, 9, 6, 7}, chosen)
	}
}

// TestPreferenceIsForGenerationAlone: tokens of longer pieces, and those computed
// while the cache is cold, keep the router's choice; nil does nothing.
func TestPreferenceIsForGenerationAlone(t *testing.T) {
	logits := []float32{4, 3, 2, 1, 0.9}
	p := testPreference(1, []byte{0, 0, 0, 0, 1})
	choose := func(r row) []int {
		chosen := []int{0, 1, 2, 3}
		p.choose(r, chosen, logits)
		return chosen
	}
	s := &Session{}
	require.Equal(t, []int{0, 1, 2, 3}, choose(row{session: s}))
	require.Equal(t, []int{0, 1, 2, 4}, choose(row{session: s, alone: true}))
	require.Equal(t, 1, s.Substituted())
	require.EqualValues(t, 1, p.stats.Substituted)
	p.on = false
	require.Equal(t, []int{0, 1, 2, 3}, choose(row{session: s, alone: true}))
	require.Equal(t, 1, s.Substituted())
	p = newPreference(0, 1, 5, 4, nil, new(Stats))
	require.Nil(t, p)
	p.look(0)
	require.Equal(t, []int{0, 1, 2, 3}, choose(row{session: s, alone: true}))
}

// TestPiecesOfOneToken tells which tokens of a batch are computed by themselves.
func TestPiecesOfOneToken(t *testing.T) {
	a, b := &Session{}, &Session{}
	m := new(batchMemory)
	m.fill([]Piece{{Session: a, IDs: []int{1}}, {Session: b, IDs: []int{2, 3}}})
	require.True(t, m.rows[0].alone)
	require.False(t, m.rows[1].alone || m.rows[2].alone)
}

// TestPreferResidentNeedsAMount: nobody says what is in RAM of a plain folder.
func TestPreferResidentNeedsAMount(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	_, err := Open(tree, Options{PreferResident: 0.5})
	require.ErrorIs(t, err, expertfs.ErrNotMounted)
	require.ErrorContains(t, err, "cannot be preferred")
	for _, margin := range []float64{-1, 101} {
		_, err = Open(tree, Options{PreferResident: margin})
		require.ErrorAs(t, err, new(OptionError))
	}
	e := open(t, tree, Options{})
	require.Zero(t, e.PreferResident())
	s := e.NewSession()
	require.NoError(t, s.Append(context.Background(), []int{1}, nil))
	require.Zero(t, s.Substituted())
	require.Zero(t, e.Stats().Substituted)
}
