package infer

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuessesHaveMargins(t *testing.T) {
	logits := []float32{0, 3, -1, 1.9, 2, 0}
	unit := marginWidth * deviation(logits)
	require.InDelta(t, 1.4029, deviation(logits), 1e-3)
	require.Equal(t, []guess{{1, min(margins-1, int(1.1/unit))}, {4, 0}}, appendGuesses(nil, logits, 2),
		"above 1.9, the best that is not among them")
	require.Equal(t, []guess{{1, margins - 1}, {0, 0}}, appendGuesses(nil, []float32{0, 9}, 2), "of all experts")
	nan := float32(math.NaN())
	for _, g := range appendGuesses(nil, []float32{nan, nan, 1, float32(math.Inf(1))}, 2) {
		require.True(t, g.margin >= 0 && g.margin < margins, "%+v", g)
	}
	require.Len(t, appendGuesses(nil, []float32{1, 1, 1}, 2), 2, "without any deviation")
}

func TestAShareIsGoodWhenProven(t *testing.T) {
	var s share
	for range minJudged {
		require.False(t, s.good())
		s.add(true)
	}
	require.True(t, s.good())
	for range 2 * recentGuesses {
		s.add(false)
	}
	require.False(t, s.good(), "recent guesses count more")
}

func TestCompareCountsExpertsOnce(t *testing.T) {
	g := layerGuesses{told: make([]bool, 8)}
	made := []guess{{expert: 1}, {expert: 2}, {expert: 1}, {expert: 5}}
	require.Equal(t, Prediction{Guessed: 3, Chosen: 4, Right: 2}, g.compare(made, []int{1, 3, 5, 7}))
}
