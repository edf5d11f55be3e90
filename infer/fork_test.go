package infer

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Forks go on by themselves as the text that they came from does, in one batch with
// it and with each other.
func TestForksGoOnAlone(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	alone, e := open(t, tree, Options{Threads: 1}), open(t, tree, Options{Threads: 2})
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{1, 19, 20, 21, 63, 64, 65, 130} {
		prompt := randomIDs(r, n, c.Vocab)
		s := e.NewSession()
		require.NoError(t, s.Append(context.Background(), prompt, nil))
		texts := make([]*text, 4)
		for i := range texts {
			x := &text{ids: append(prompt[:n:n], randomIDs(r, 1+r.IntN(90), c.Vocab)...), session: s}
			x.want = allLogits(t, alone.NewSession(), x.ids)
			if i > 0 {
				x.session = s.Fork()
				require.NotNil(t, x.session)
				requireBits(t, x.want[n-1], x.session.Logits())
			}
			texts[i] = x
		}
		runInCompany(t, r, e, texts)
	}
}

func TestForkOfATextWithoutLogits(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e := open(t, tree, Options{})
	s := e.NewSession()
	require.Zero(t, s.Fork().Len())
	require.NoError(t, s.Append(context.Background(), []int{1, 2, 3}, nil))
	require.True(t, s.Truncate(2))
	require.Nil(t, s.Fork())
}

// The memory of a session stays within what is said of it.
func TestSessionBytes(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	r := rand.New(rand.NewPCG(1, 1))
	for _, batch := range []int{1, 10, 100} {
		e := open(t, tree, Options{Batch: batch})
		s := e.NewSession()
		for s.Len() < 400 {
			require.NoError(t, s.Append(context.Background(), randomIDs(r, min(batch, 400-s.Len()), c.Vocab), nil))
			var bytes int64
			for _, cache := range s.cache {
				bytes += int64(len(cache.blocks)+len(cache.free)) * int64(blockLen*2*c.KVHeads*e.set.kv.rowBytes(c.HeadDim))
			}
			bytes += 4 * int64(len(s.Logits()))
			require.LessOrEqual(t, bytes, e.SessionBytes(s.Len()), "%d tokens by %d", s.Len(), batch)
		}
	}
}
