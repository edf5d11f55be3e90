package batch

import (
	"cmp"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// What is computed again because somebody else has given up, or because company has
// failed, is shown once: who adds up logits must not get two of a position.
func TestEachSeesAPositionOnce(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	s := prepare(func(pieces []infer.Piece) (Part, error) { return e.NewBatch(pieces...) }, Options{})
	r := rand.New(rand.NewPCG(4, 4))
	ids, others := randomIDs(r, 40), randomIDs(r, 40)
	other, leave := context.WithCancel(t.Context())
	defer leave()
	chunks := make(map[*chunk]bool)
	var seen []int
	each := func(position int, _ []float32) {
		seen = append(seen, position)
		leave()
		for given := false; !given; time.Sleep(time.Millisecond) { // up, the first of two chunks
			s.mu.Lock()
			chunks[s.chunk] = true
			given = len(chunks) > 1 || s.chunk.ctx.Err() != nil
			s.mu.Unlock()
		}
	}
	session, errs := e.NewSession(), make(chan error, 2)
	go func() { errs <- s.Append(t.Context(), session, ids, each) }()
	go func() { errs <- s.Append(other, e.NewSession(), others, nil) }()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.prompts) == 2
	}, hang, time.Millisecond)
	go s.loop()
	defer s.Close()
	var first, second error
	within(t, "the prompts", func() { first, second = <-errs, <-errs })
	require.ErrorIs(t, cmp.Or(first, second), context.Canceled)
	require.Len(t, chunks, 2, "it was computed again")
	want := make([]int, len(ids))
	for i := range want {
		want[i] = i
	}
	require.Equal(t, want, seen)
	require.Equal(t, alone.logits(t, ids), bits(session.Logits()))
}
