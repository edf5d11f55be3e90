package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkShortPromptBesideALongOne has prompts of 100 tokens come, one after the
// other, while a prompt of 4,000 tokens (GPTOSS_PROMPT has another number) is computed, with
// the model in the folder GPTOSS_MODEL or else the tiny one. It reports the time to
// the first token of a short one: alone, and beside the long one.
func BenchmarkShortPromptBesideALongOne(b *testing.B) {
	texts, ids, prompt := benchTexts(b)
	short := min(100, prompt/8)
	ctx := context.Background()
	first := func() time.Duration {
		began := time.Now()
		x, _, err := texts.Prompt(ctx, ids(short), nil)
		require.NoError(b, err)
		took := time.Since(began)
		x.Close()
		return took
	}
	first()
	var alone, beside []time.Duration
	for range 5 {
		alone = append(alone, first())
	}
	began := time.Now()
	x, _, err := texts.Prompt(ctx, ids(prompt), nil)
	require.NoError(b, err)
	x.Close()
	lone := time.Since(began)
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
			case <-time.After(lone / 16):
				beside = append(beside, first())
			}
		}
		entering += time.Since(began)
	}
	slices.Sort(alone)
	slices.Sort(beside)
	milliseconds := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(milliseconds(alone[len(alone)/2]), "ms-alone")
	b.ReportMetric(milliseconds(beside[len(beside)/2]), "ms-median")
	b.ReportMetric(milliseconds(beside[len(beside)-1]), "ms-longest")
	b.ReportMetric(float64(len(beside))/float64(b.N), "short/long")
	b.ReportMetric(lone.Seconds(), "s-long-alone")
	b.ReportMetric(entering.Seconds()/float64(b.N), "s-long")
}
