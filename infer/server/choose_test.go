package server

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func number(v float64) *float64 { return &v }

func TestChooser(t *testing.T) {
	logits := []float32{1, 2, 3, 0}
	choose := func(p sampling, mask []uint64, before ...int) int {
		c, err := newChooser(&p, 1)
		require.NoError(t, err)
		for _, id := range before {
			c.took(id)
		}
		id, err := c.choose(logits, mask)
		require.NoError(t, err)
		require.Equal(t, []float32{1, 2, 3, 0}, logits)
		return id
	}
	greedy := sampling{Temperature: number(0)}
	require.Equal(t, 2, choose(greedy, nil))
	require.Equal(t, 1, choose(greedy, []uint64{0b1011}))
	require.Equal(t, 3, choose(sampling{Temperature: number(0), LogitBias: biases{3: 100}}, nil))
	require.Equal(t, 1, choose(sampling{Temperature: number(0), FrequencyPenalty: number(0.6)}, nil, 2, 2))
	require.Equal(t, 2, choose(sampling{Temperature: number(0), PresencePenalty: number(0.6)}, nil, 2, 2))
	for n := range 20 {
		s := seed(n)
		require.Equal(t, 2, choose(sampling{TopP: number(0), Seed: &s}, nil), "a probability of 0 leaves the most probable token")
	}
	c, err := newChooser(&greedy, 1)
	require.NoError(t, err)
	_, err = c.choose(logits, []uint64{0})
	require.Error(t, err)
}

func TestLogProb(t *testing.T) {
	logits := []float32{1, 2, 2, 0}
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l))
	}
	p := logProb(logits, 3, 3)
	require.InDelta(t, math.Log(1/sum), p.log, 1e-9)
	require.Len(t, p.top, 3)
	require.Equal(t, []int{1, 2, 0}, []int{p.top[0].id, p.top[1].id, p.top[2].id})
	require.InDelta(t, math.Log(math.Exp(2)/sum), p.top[0].log, 1e-9)
	require.Empty(t, logProb(logits, 0, 0).top)
}
