package server

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"expertfs/infer/server/scripted"

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
	p, err := logProb(logits, 3, 3)
	require.NoError(t, err)
	require.InDelta(t, math.Log(1/sum), p.log, 1e-9)
	require.Len(t, p.top, 3)
	require.Equal(t, []int{1, 2, 0}, []int{p.top[0].id, p.top[1].id, p.top[2].id})
	require.InDelta(t, math.Log(math.Exp(2)/sum), p.top[0].log, 1e-9)
	p, err = logProb(logits, 0, 0)
	require.NoError(t, err)
	require.Empty(t, p.top)
}

// spoiled is an engine whose logits after the first token of a prompt are not finite.
type spoiled struct{ *scripted.Engine }

func (e spoiled) Prompt(ctx context.Context, ids []int, most int, each func(int, []float32)) ([]Text, int, error) {
	first := each
	if each != nil {
		first = func(position int, logits []float32) {
			if position == 0 {
				logits = slices.Clone(logits)
				logits[7] = float32(math.NaN())
			}
			each(position, logits)
		}
	}
	return e.Engine.Prompt(ctx, ids, most, first)
}

// Probabilities that a prompt's tokens do not have are an error that names the token, whole
// and in a stream, with an answer and without.
func TestPromptWithoutProbabilities(t *testing.T) {
	m := &model{says: "x<|return|>"}
	s := newServer(t, m)
	server := newHTTP(t, s)
	s.Ready(spoiled{m.Engine})
	for _, rest := range []string{"", `, "max_tokens": 0`, `, "stream": true`, `, "max_tokens": 0, "stream": true`} {
		status, answer := post(t, server, "/v1/completions", `{"prompt": "a b c", "echo": true, "logprobs": 0`+rest+`}`)
		require.Contains(t, answer, "that of token 7 is NaN", rest)
		require.NotContains(t, answer, "cannot be written", rest)
		if !strings.Contains(rest, "stream") {
			require.Equal(t, 500, status, rest)
		}
	}
	status, answer := post(t, server, "/v1/completions", `{"prompt": "a b c", "echo": true}`)
	require.Equal(t, 200, status, answer)
}
