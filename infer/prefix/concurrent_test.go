package prefix

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConcurrentUse has several goroutines of two processes, as it were, keep and
// load texts that begin alike, within budgets that evict all the time.
func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	size := testShape.Bytes(0, 64)
	var group sync.WaitGroup
	for p := range 2 {
		s := openStore(t, dir, func(o *Options) { o.Disk, o.RAM = 12*size, 6*size })
		for g := range 4 {
			group.Go(func() {
				r := rand.New(rand.NewPCG(uint64(p), uint64(g)))
				for range 150 {
					ids := childText(r.IntN(12))
					if r.IntN(2) == 0 {
						keep(s, ids, 40, 64, 70, 64+r.IntN(100))
						continue
					}
					s.Known(ids, len(ids))
					n, states := s.load(context.Background(), ids, len(ids))
					for _, st := range states {
						if st.To() <= n && !same(content(ids, st.From(), st.To()).Parts(), st.Parts()) {
							t.Errorf("positions %d to %d of a text are another's", st.From(), st.To())
						}
					}
				}
			})
		}
	}
	group.Wait()
	s := openStore(t, dir, nil)
	require.Zero(t, s.Stats().Torn)
}

func same(a, b [][][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		for i := range a[n] {
			if string(a[n][i]) != string(b[n][i]) {
				return false
			}
		}
	}
	return true
}
