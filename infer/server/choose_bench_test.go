package server

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"expertfs/infer/grammar"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkStep does all of a decode step that is not the model's, over 201,088
// tokens: the mask, the choice, and the automaton's move. It reports the processor
// time of a step of a text of 60 tokens whose grammar is known; free is the choice
// alone. A step of the model is to take 20 times as long as what a grammar adds.
func BenchmarkStep(b *testing.B) {
	tokens := tokenizer.O200kHarmony()
	v, err := grammar.NewVocabulary(tokens.Size(), func(id int) string { text, _ := tokens.Text(id); return text })
	require.NoError(b, err)
	r := rand.New(rand.NewPCG(1, 1))
	logits := make([]float32, tokens.Size())
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 3)
	}
	thread := func() int64 {
		var t unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
		return t.Nano()
	}
	for _, c := range []struct{ name, schema string }{
		{"free", ""},
		{"string", `{"type": "string", "minLength": 60000}`},
		{"pattern", `{"type": "string", "pattern": "^[A-Za-z ]{900}$"}`},
		{"numbers", `{"type": "array", "items": {"type": "number"}, "minItems": 5000}`},
	} {
		for name, temperature := range map[string]float64{"drawn": 1, "greedy": 0} {
			b.Run(c.name+"-"+name, func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				var a *grammar.Automaton
				if c.schema != "" {
					g, err := grammar.JSONSchema([]byte(c.schema), grammar.Compact)
					require.NoError(b, err)
					a = grammar.NewAutomaton(g, v)
				}
				const length = 60
				text := func(s seed) {
					chooser, err := newChooser(&sampling{Temperature: &temperature, Seed: &s}, 0)
					require.NoError(b, err)
					bound := (&Server{Tokens: tokens}).bind(a, tokens.StopIDs()[0])
					for range length {
						var mask []uint64
						if bound != nil {
							var forced []int
							for forced, mask = bound.next(); len(forced) > 0; forced, mask = bound.next() {
								for _, id := range forced {
									_, err := bound.push(id)
									require.NoError(b, err)
								}
							}
						}
						id, err := chooser.choose(logits, mask)
						require.NoError(b, err)
						if bound != nil {
							_, err = bound.push(id)
							require.NoError(b, err)
						}
					}
				}
				text(0)
				began, n := thread(), 0
				for b.Loop() {
					n++
					text(seed(n))
				}
				b.ReportMetric(float64(thread()-began)/float64(n*length), "cpu-ns/step")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
