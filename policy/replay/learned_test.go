package replay_test

import (
	"path/filepath"
	"testing"

	"expertfs"
	"expertfs/checkpoint/checkpointtest/reference"
	"expertfs/policy"
	"expertfs/policy/heat"
	"expertfs/policy/replay"
	"expertfs/policy/sim"

	"github.com/stretchr/testify/require"
)

// TestLearnedGoesOn: with what was saved, the first tokens after a restart are hit
// exactly as by the policy that was never ended, and better than by a new one.
func TestLearnedGoesOn(t *testing.T) {
	before, meta, err := expertfs.LoadTraces(reference.Recordings(t, "0[0-3].csv.gz")...)
	require.NoError(t, err)
	after, _, err := expertfs.LoadTraces(reference.Recordings(t, "04.csv.gz")...)
	require.NoError(t, err)
	after = after[:100*meta.Layers]
	s := expertfs.Shape{Layers: meta.Layers, Experts: 32, TopK: meta.TopK, ExpertBytes: 1}
	s.Budget = int64(s.Layers * s.Experts / 4)

	made := func() policy.Policy {
		p, err := policy.New("forecast", s, 1)
		require.NoError(t, err)
		return p
	}
	learns := made()
	used := policy.NewHeat(s)
	for _, step := range before {
		step := policy.Step{Layer: step.Layer, Used: step.Used}
		learns.Step(step)
		used.Step(step)
	}
	learns.(policy.StreamEnder).EndStream(0)

	files := filepath.Join(t.TempDir(), "heat")
	require.NoError(t, heat.Save(files, "m", s, used))
	require.NoError(t, heat.SaveLearned(files+".learned", "m", learns.(policy.Learner).Learned()))
	restarted := func(weights bool) policy.Policy {
		p := made()
		if weights {
			l, err := heat.LoadLearned(files+".learned", "m")
			require.NoError(t, err)
			require.True(t, p.(policy.Learner).Adopt(l))
		}
		h, err := heat.Load(files, "m", s)
		require.NoError(t, err)
		p.(policy.Warmer).Warm(h)
		return p
	}
	hits := func(p policy.Policy) int64 {
		c := sim.Of(p, s)
		replay.Play(after, c)
		return c.Uses().Hits
	}
	withWeights, withHeat, anew := hits(restarted(true)), hits(restarted(false)), hits(made())
	t.Logf("hits of %d uses: %d with weights and heat, %d with heat, %d with nothing", len(after)*s.TopK, withWeights, withHeat, anew)
	require.Equal(t, hits(learns), withWeights)
	require.Greater(t, withWeights, withHeat)
	require.Greater(t, withHeat, anew)
}
