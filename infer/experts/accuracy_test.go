package experts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrecisionIsGoodWhenProven(t *testing.T) {
	var s precision
	for range minJudged {
		require.False(t, s.good())
		s.add(true)
	}
	require.True(t, s.good())
	for range 2 * recentPredictions {
		s.add(false)
	}
	require.False(t, s.good(), "recent ones count more")
}

func TestCompareCountsExpertsOnce(t *testing.T) {
	g := layerPredictions{chosen: make([]bool, 8), seen: make([]bool, 8)}
	made := []Predicted{{Expert: 1}, {Expert: 2}, {Expert: 1}, {Expert: 5}}
	require.Equal(t, Accuracy{Predicted: 3, Chosen: 4, Right: 2}, g.compare(made, []int{1, 3, 5, 7}))
}
