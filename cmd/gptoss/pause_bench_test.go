package main

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"expertfs/infer"
	"expertfs/infer/batch"

	"github.com/stretchr/testify/require"
)

// BenchmarkPauseWhileAPromptEnters has one text generate while a prompt of 4,000
// tokens (GPTOSS_PROMPT has another number) enters, with the model in the folder
// GPTOSS_MODEL or else the tiny one. It reports the longest time between two tokens
// of the text, and what most of them stay below, in decode steps: the median time
// between two tokens of the same text alone.
func BenchmarkPauseWhileAPromptEnters(b *testing.B) {
	texts, ids, prompt := benchTexts(b)
	ctx := context.Background()
	text, _, err := texts.Prompt(ctx, ids(16), nil)
	require.NoError(b, err)
	defer text.Close()
	token := func() time.Duration {
		began := time.Now()
		require.NoError(b, text.Append(ctx, ids(1)))
		return time.Since(began)
	}
	for range 8 {
		token()
	}
	var alone, beside []time.Duration
	for range 40 {
		alone = append(alone, token())
	}
	var entering time.Duration
	for b.Loop() {
		long := ids(prompt)
		began := time.Now()
		entered := enter(texts, long)
		for done := false; !done; {
			select {
			case err := <-entered:
				require.NoError(b, err)
				done = true
			default:
				beside = append(beside, token())
			}
		}
		entering += time.Since(began)
	}
	slices.Sort(alone)
	slices.Sort(beside)
	step := alone[len(alone)/2]
	steps := func(d time.Duration) float64 { return float64(d) / float64(step) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(step.Seconds()*1000, "ms/step")
	b.ReportMetric(steps(beside[len(beside)-1]), "steps-longest")
	b.ReportMetric(steps(beside[len(beside)*99/100]), "steps-p99")
	b.ReportMetric(steps(beside[len(beside)/2]), "steps-median")
	b.ReportMetric(steps(alone[len(alone)-1]), "alone-longest")
	b.ReportMetric(entering.Seconds()/float64(b.N), "s/prompt")
}

// enter computes a prompt beside others, and tells when it is done.
func enter(texts *batch.Texts, prompt []int) <-chan error {
	entered := make(chan error, 1)
	go func() {
		x, _, err := texts.Prompt(context.Background(), prompt, nil)
		if err == nil {
			x.Close()
		}
		entered <- err
	}()
	return entered
}

// benchTexts are texts of the model in the folder GPTOSS_MODEL or else the tiny one, with what
// makes random tokens, and how many a long prompt has.
func benchTexts(b *testing.B) (texts *batch.Texts, ids func(n int) []int, prompt int) {
	b.Helper()
	dir, prompt := os.Getenv("GPTOSS_MODEL"), 4000
	if dir == "" {
		dir, prompt = tinyTree(b), 400
	}
	if n, err := strconv.Atoi(os.Getenv("GPTOSS_PROMPT")); err == nil {
		prompt = n
	}
	flags := &modelFlags{dir: dir, mapBytes: "auto", options: infer.Options{Context: max(1024, 2*prompt)}}
	e, err := flags.open()
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, e.Close()) })
	texts = batch.NewTexts(e, nil, 4*e.SessionBytes(e.Context()), 1)
	b.Cleanup(texts.Close)
	r := rand.New(rand.NewPCG(1, 2))
	return texts, func(n int) []int {
		all := make([]int, n)
		for i := range all {
			all[i] = r.IntN(e.Config().Vocab)
		}
		return all
	}, prompt
}
