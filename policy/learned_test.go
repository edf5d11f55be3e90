package policy_test

import (
	"testing"

	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

// TestLearnedOfAnotherKindIsRefused: of other parameters, of another model, and
// of another length; nothing has changed then.
func TestLearnedOfAnotherKindIsRefused(t *testing.T) {
	other := small
	other.TopK++
	p := made(t, "forecast", small).(policy.Learner)
	require.True(t, p.Adopt(made(t, "forecast:horizon=6", small).(policy.Learner).Learned()))
	before := p.Learned()
	cut := p.Learned()
	cut.Parts = cut.Parts[1:]
	short := made(t, "forecast", small).(policy.Learner).Learned()
	short.Parts[3] = short.Parts[3][1:]
	for _, l := range []policy.Learned{
		{}, cut, short,
		made(t, "forecast:horizon=5", small).(policy.Learner).Learned(),
		made(t, "forecast", other).(policy.Learner).Learned(),
	} {
		require.False(t, p.Adopt(l))
		require.Equal(t, before, p.Learned())
	}
}
