package tokenizer

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// slowMerge carries out, over and over, the leftmost merge of lowest rank.
func slowMerge(v *vocabulary, piece string) []int {
	if id, ok := v.ids[piece]; ok && v.wholePieces {
		return []int{int(id)}
	}
	var ids []int32
	for i := range len(piece) {
		ids = append(ids, v.byteID[piece[i]])
	}
	for {
		at, best, made := -1, int32(0), int32(0)
		for i := range len(ids) - 1 {
			rank, id, ok := v.merges.merge(ids[i], ids[i+1], v.tokens[ids[i]]+v.tokens[ids[i+1]])
			if ok && (at < 0 || rank < best) {
				at, best, made = i, rank, id
			}
		}
		if at < 0 {
			break
		}
		ids[at] = made
		ids = slices.Delete(ids, at+1, at+2)
	}
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = int(id)
	}
	return out
}

func TestMergeAgainstSlow(t *testing.T) {
	for name, v := range map[string]*vocabulary{"ranks": o200kVocabulary(), "pairs": loadTiny(t).vocab()} {
		m := merger{vocab: v, ctx: t.Context()}
		rapid.Check(t, func(t *rapid.T) {
			// Repetitive pieces have many merges of equal rank.
			piece := rapid.OneOf(
				rapid.StringMatching(`[a-e]{1,30}`), rapid.StringMatching(`[ab ]{1,60}`),
				rapid.StringMatching(`[的中ха]{1,20}`), rapid.StringN(1, 40, -1),
			).Draw(t, "piece")
			got, err := m.appendPiece(nil, piece, len(piece))
			require.NoError(t, err)
			require.Equal(t, slowMerge(v, piece), got, name)
		})
	}
}

// TestLongPiece would take minutes if merging were quadratic in the length.
func TestLongPiece(t *testing.T) {
	tok := O200kHarmony()
	for _, unit := range []string{"a", "的", "=-", "zq"} {
		text := strings.Repeat(unit, 50_000)
		require.Equal(t, text, tok.Decode(tok.Encode(text)))
	}
}

// A prompt that is too long is refused before it is merged, and while it is.
func TestEncodeWithinBounds(t *testing.T) {
	o200k := O200kHarmony()
	text := strings.Repeat("In the beginning ", 100)
	whole := o200k.Encode(text)
	got, err := o200k.AppendWithin(t.Context(), nil, text, len(whole))
	require.NoError(t, err)
	require.Equal(t, whole, got)
	got, err = o200k.AppendWithin(t.Context(), whole, text, 2*len(whole)-1)
	require.ErrorIs(t, err, ErrTooLong)
	require.LessOrEqual(t, len(got), 2*len(whole))

	letters := strings.Repeat("a", 8<<20)
	began := testing.AllocsPerRun(1, func() {
		_, err = o200k.AppendWithin(t.Context(), nil, letters, 131072)
		require.ErrorIs(t, err, ErrTooLong)
	})
	require.Less(t, began, 100.0)

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = o200k.AppendWithin(ended, nil, strings.Repeat(" ", 1<<20), 131072)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, o200k.Encode(strings.Repeat(" ", longPiece*2)), longPiece*2/128)
}
