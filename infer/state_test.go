package infer

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// knownText is a text, and the bits of the logits after each of its tokens.
type knownText struct {
	t      *testing.T
	e      *Engine
	r      *rand.Rand
	ids    []int
	logits [][]uint32
}

// TestStatesGoOnAsIfComputed cuts a text into States at random places while
// batches of random sizes are computed, some of the States going through their
// bytes, and goes on from everywhere that they reach. The windows are shorter than
// a block, as long, and longer; one model has none.
func TestStatesGoOnAsIfComputed(t *testing.T) {
	windows := []int{1, 20, 63, 64, 65, 130, 0}
	if testing.Short() {
		windows = []int{20, 130}
	}
	for _, window := range windows {
		c := smallConfig()
		if c.Window = window; window == 0 {
			c.Window, c.Sliding = 20, []bool{false, false, false}
		}
		_, tree := randomModel(t, c, 3)
		for _, o := range []Options{{Act: "f32"}, {Act: "bf16"}, {Act: "int8"}, {KV: "q8"}} {
			r := rand.New(rand.NewPCG(uint64(window), 1))
			o.Batch, o.Threads = 1+r.IntN(90), 2
			k := &knownText{t: t, e: open(t, tree, o), r: r, ids: randomIDs(r, 400, c.Vocab)}
			k.logits = allLogits(t, k.e.NewSession(), k.ids)
			path := k.cutUp()
			for range 40 {
				i := r.IntN(len(path))
				st := path[i]
				n := k.e.Shape().Reach(st.from, st.to, st.from+r.IntN(st.to-st.from+1))
				for i > 0 && path[i].from >= n {
					i--
				}
				k.goOn(n, path[:i+1])
			}
			k.goOn(len(k.ids)-1, path)
			k.goOn(len(k.ids), path)
		}
	}
}

// cutUp computes the text and returns States of all of it.
func (k *knownText) cutUp() (path []*State) {
	s := k.e.NewSession()
	from := 0
	s.OnBatch(func(int) {
		for from < s.Len() && (k.r.IntN(3) > 0 || s.Len() == len(k.ids)) {
			to := from + 1 + k.r.IntN(s.Len()-from)
			st := s.State(from, to)
			if st == nil { // too long ago for sliding layers
				to = s.Len()
				st = s.State(from, to)
			}
			require.NotNil(k.t, st)
			require.Equal(k.t, [2]int{from, to}, [2]int{st.From(), st.To()})
			if k.r.IntN(2) == 0 {
				st = k.throughBytes(st)
			}
			path, from = append(path, st), to
		}
	})
	require.NoError(k.t, s.Append(context.Background(), k.ids, nil))
	require.Equal(k.t, len(k.ids), from)
	return path
}

// throughBytes returns a State made of the bytes of st.
func (k *knownText) throughBytes(st *State) *State {
	read := k.e.Shape().NewState(st.from, st.to)
	from, to := st.Parts(), read.Parts()
	var size int
	for n := range from {
		require.Len(k.t, to[n], len(from[n]))
		for i, piece := range from[n] {
			require.Equal(k.t, len(piece), copy(to[n][i], piece))
			size += len(piece)
		}
	}
	require.EqualValues(k.t, size, k.e.Shape().Bytes(st.from, st.to))
	return read
}

// goOn restores the first n tokens and computes some of those after them, while
// others write something else there.
func (k *knownText) goOn(n int, path []*State) {
	s, other := k.e.NewSession(), k.e.NewSession()
	for _, s := range []*Session{s, other} {
		require.NoError(k.t, s.Restore(k.ids[:n], path))
		require.Equal(k.t, n, s.Len())
		require.Nil(k.t, s.Logits())
	}
	allLogits(k.t, other, randomIDs(k.r, 1+k.r.IntN(70), k.e.cfg.Vocab))
	more := min(1+k.r.IntN(70), len(k.ids)-n)
	if more == 0 {
		return
	}
	require.Equal(k.t, k.logits[n:n+more], allLogits(k.t, s, k.ids[n:n+more]))
	if s.Truncate(n) {
		require.Equal(k.t, k.logits[n:n+more], allLogits(k.t, s, k.ids[n:n+more]))
	}
}

func TestRestoreRefusesWhatDoesNotFit(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e := open(t, tree, Options{})
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 100, 131)
	s := e.NewSession()
	require.NoError(t, s.Append(context.Background(), ids, nil))
	first, second := s.State(0, 60), s.State(60, 100)

	fresh := e.NewSession()
	require.ErrorContains(t, fresh.Restore(ids[:50], []*State{first}), "cannot go from 0 to 50")
	require.ErrorContains(t, fresh.Restore(ids, []*State{second}), "cannot go from 0 to 100")
	require.ErrorContains(t, fresh.Restore(ids[:70], []*State{first, second}), "state 1 has positions 60 to 100, and cannot go from 60 to 70")
	require.ErrorContains(t, fresh.Restore(ids, []*State{first}), "cannot go from 0 to 100")
	float := open(t, tree, Options{Act: "f32"})
	require.ErrorContains(t, float.NewSession().Restore(ids[:60], []*State{first}), "another model")
	require.Zero(t, fresh.Len())
	require.NoError(t, fresh.Restore(ids[:59], []*State{first}))
	require.Nil(t, fresh.State(0, 59), "sliding layers have the last positions only")
	require.Nil(t, fresh.State(0, 60))
	require.Nil(t, fresh.State(3, 3))
}

// What a State takes is known before it is made.
func TestMemoryOfStates(t *testing.T) {
	shape := &Shape{Sliding: []bool{true, false}, Window: 70, Heads: 2, HeadDim: 4, KV: KVBF16}
	for _, c := range [][2]int{{0, 1}, {0, blockLen}, {0, blockLen + 1}, {blockLen - 1, blockLen + 1}, {5, 3*blockLen + 7}, {2 * blockLen, 4 * blockLen}} {
		var blocks int64
		for _, l := range shape.NewState(c[0], c[1]).layers {
			blocks += int64(len(l.blocks))
		}
		require.Equal(t, blocks*blockLen*2*2*4*2, shape.Memory(c[0], c[1]), c)
	}
}
