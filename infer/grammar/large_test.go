package grammar

import (
	"testing"

	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// TestLargeVocabulary compares masks over the 201,088 tokens of GPT-OSS with the
// slow ones, at places of the texts of the benchmark.
func TestLargeVocabulary(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	v := largeVocabulary(t)
	require.Equal(t, 201088, v.Size())
	for i, c := range benchCases {
		a := NewAutomaton(benchGrammar(t, i), v)
		s := a.Start()
		for n, id := range tokenizer.O200kHarmony().Encode(c.text) {
			if n%6 == i%6 {
				require.Contains(t, requireMask(t, a, s), id)
			}
			var err error
			s, err = a.Advance(s, id)
			require.NoError(t, err, c.name)
		}
		require.True(t, a.Accepts(s), c.name)
	}
}
