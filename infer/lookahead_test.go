package infer

import (
	"math"
	"testing"

	"expertfs/infer/experts"

	"github.com/stretchr/testify/require"
)

func TestPredictionsHaveMargins(t *testing.T) {
	logits := []float32{0, 3, -1, 1.9, 2, 0}
	unit := marginWidth * deviation(logits)
	require.InDelta(t, 1.4029, deviation(logits), 1e-3)
	require.Equal(t, []experts.Predicted{{Expert: 1, Margin: min(experts.Margins-1, int(1.1/unit))}, {Expert: 4}}, appendPredicted(nil, logits, 2),
		"above 1.9, the best that is not among them")
	require.Equal(t, []experts.Predicted{{Expert: 1, Margin: experts.Margins - 1}, {}}, appendPredicted(nil, []float32{0, 9}, 2), "of all experts")
	nan := float32(math.NaN())
	for _, g := range appendPredicted(nil, []float32{nan, nan, 1, float32(math.Inf(1))}, 2) {
		require.True(t, g.Margin >= 0 && g.Margin < experts.Margins, "%+v", g)
	}
	require.Len(t, appendPredicted(nil, []float32{1, 1, 1}, 2), 2, "without any deviation")
}
