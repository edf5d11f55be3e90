package experts

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrialKeepsWhatIsFaster(t *testing.T) {
	var tr trial
	for round, better := range []bool{true, false, true} {
		var tried [2]int
		for range trialTokens {
			cost := 10 * time.Millisecond
			if tr.hints() == better {
				cost -= time.Millisecond
			}
			if tr.hints() {
				tried[1]++
			} else {
				tried[0]++
			}
			tr.took(cost)
		}
		require.Equal(t, [2]int{trialTokens / 2, trialTokens / 2}, tried)
		for range trialKept {
			require.Equal(t, better, tr.hints(), "round %d", round)
			tr.took(time.Millisecond)
		}
	}
}

func TestTrialLetsStretchesSettle(t *testing.T) {
	var tr trial
	for i := range trialTokens {
		cost := time.Millisecond
		if i%trialStretch < trialSettle && tr.hints() {
			cost = time.Hour // what the stretch before left behind
		} else if !tr.hints() {
			cost = 2 * time.Millisecond
		}
		tr.took(cost)
	}
	require.True(t, tr.hints())
}
