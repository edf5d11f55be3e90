package batch

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// stagewise is a batch of which a test is asked before each stage whether it fails.
type stagewise struct {
	Batch
	fail func() error
}

func (p stagewise) Advance(ctx context.Context, more func() bool) (done bool, err error) {
	for {
		if err := p.fail(); err != nil {
			return false, err
		}
		if done, err = p.Batch.Advance(ctx, func() bool { return false }); done || err != nil || !more() {
			return done, err
		}
	}
}

// What is computed again because company has failed is shown once: who adds up logits
// must not get two of a position.
func TestEachSeesAPositionOnce(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	r := rand.New(rand.NewPCG(4, 4))
	ids, others := randomIDs(r, 40), randomIDs(r, 40)
	session, bad := e.NewSession(), e.NewSession()
	var seen []int
	begun := 0
	s := prepare(func(pieces []infer.Piece) (Batch, error) {
		begun++
		b, err := e.NewBatch(pieces...)
		return stagewise{b, func() error {
			if len(seen) > 0 && slices.ContainsFunc(pieces, func(p infer.Piece) bool { return p.Session == bad }) {
				return errBroken
			}
			return nil
		}}, err
	}, Options{})
	first, second := make(chan error, 1), make(chan error, 1)
	each := func(position int, _ []float32) { seen = append(seen, position) }
	go func() { first <- s.Append(t.Context(), session, ids, each) }()
	go func() { second <- s.Append(t.Context(), bad, others, nil) }()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.prompts) == 2
	}, hang, time.Millisecond)
	go s.loop()
	within(t, "the prompts", func() {
		require.NoError(t, <-first)
		require.ErrorIs(t, <-second, errBroken)
	})
	s.Close()
	require.Equal(t, 3, begun, "each was tried again")
	want := make([]int, len(ids))
	for i := range want {
		want[i] = i
	}
	require.Equal(t, want, seen)
	require.Equal(t, alone.logits(t, ids), bits(session.Logits()))
}
