package infer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"expertfs/infer/mapped"

	"github.com/stretchr/testify/require"
)

// text is a text of a test, and the logits that it has when computed alone.
type text struct {
	ids     []int
	want    [][]uint32 // by position
	session *Session
}

func (x *text) rest() []int { return x.ids[x.session.Len():] }

// The logits of a text must not show which others were computed with it.
func TestSameBytesInAnyCompany(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	for _, act := range []string{"f32", "bf16", "int8"} {
		for _, dense := range []string{"bf16", "int8"} {
			t.Run(act+"-"+dense, func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, uint64(len(act)+len(dense))))
				alone := open(t, tree, Options{Act: act, Dense: dense, Threads: 1, Batch: 16})
				e := open(t, tree, Options{Act: act, Dense: dense, Threads: 2})
				texts := make([]*text, 9)
				for i := range texts {
					x := &text{ids: randomIDs(r, 1+r.IntN(150), c.Vocab)}
					x.want = allLogits(t, alone.NewSession(), x.ids)
					x.session = e.NewSession()
					texts[i] = x
				}
				runInCompany(t, r, e, texts)
			})
		}
	}
}

// runInCompany takes all texts to their ends in batches of random pieces, most of
// one token, and checks all logits that it asks for.
func runInCompany(t *testing.T, r *rand.Rand, e *Engine, texts []*text) {
	for left := len(texts); left > 0; {
		var pieces []Piece
		var in []*text
		for _, i := range r.Perm(len(texts)) {
			x := texts[i]
			if len(x.rest()) == 0 || r.IntN(3) == 0 {
				continue
			}
			n := 1
			if r.IntN(4) == 0 {
				n = 1 + r.IntN(len(x.rest()))
			}
			p := Piece{Session: x.session, IDs: x.rest()[:n], Logits: r.IntN(5) > 0}
			if r.IntN(3) == 0 {
				p.Each = func(position int, logits []float32) { requireBits(t, x.want[position], logits) }
			}
			pieces, in = append(pieces, p), append(in, x)
		}
		if len(pieces) == 0 {
			continue
		}
		b, err := e.NewBatch(slices.Clone(pieces)...)
		require.NoError(t, err)
		for done := false; !done; { // left between layers, while another one is computed
			done, err = b.Advance(context.Background(), func() bool { return r.IntN(2) == 0 })
			require.NoError(t, err)
			if i := r.IntN(len(in)); !done && len(in) > 1 && r.IntN(20) == 0 { // somebody gives up
				b.Drop(in[i].session)
				require.Nil(t, in[i].session.Logits())
				in, pieces = slices.Delete(in, i, i+1), slices.Delete(pieces, i, i+1)
			}
			if !done && r.IntN(2) == 0 {
				other := Piece{Session: e.NewSession(), IDs: randomIDs(r, 1+r.IntN(40), 131), Logits: true}
				require.NoError(t, e.Run(context.Background(), other))
			}
		}
		_, err = b.Advance(context.Background(), nil)
		require.ErrorIs(t, err, errOver)
		for i, x := range in {
			if pieces[i].Logits {
				requireBits(t, x.want[x.session.Len()-1], x.session.Logits())
			} else {
				require.Nil(t, x.session.Logits())
			}
			if len(x.rest()) == 0 {
				left--
			}
		}
	}
}

func requireBits(t *testing.T, want []uint32, logits []float32) {
	t.Helper()
	require.Len(t, logits, len(want))
	for i, v := range logits {
		if want[i] != math.Float32bits(v) {
			require.Equal(t, math.Float32frombits(want[i]), v, "logit %d", i)
		}
	}
}

// A batch that everybody gives up is over, before its first stage and after, and its
// texts can be computed by others.
func TestBatchWithoutPieces(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{})
	r := rand.New(rand.NewPCG(5, 5))
	x := &text{ids: randomIDs(r, 40, c.Vocab), session: e.NewSession()}
	x.want = allLogits(t, e.NewSession(), x.ids)
	for stages := range 3 {
		other := e.NewSession()
		b, err := e.NewBatch(Piece{Session: other, IDs: x.ids}, Piece{Session: x.session, IDs: x.ids})
		require.NoError(t, err)
		for range stages {
			_, err := b.Advance(context.Background(), func() bool { return false })
			require.NoError(t, err)
		}
		b.Drop(e.NewSession()) // has no piece
		b.Drop(x.session)
		b.Drop(other)
		b.Drop(other)
		_, err = b.Advance(context.Background(), nil)
		require.ErrorIs(t, err, errOver)
		require.Zero(t, x.session.Len())
	}
	runInCompany(t, r, e, []*text{x})
}

// Hooks are told whose token it is, and see the routing that the text has alone.
func TestHooksKnowTheSession(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{})
	type place struct {
		s        *Session
		layer, p int
	}
	seen := map[place]string{}
	e.SetHooks(Hooks{OnRoute: func(s *Session, l, p int, experts []int) { seen[place{s, l, p}] = fmt.Sprint(experts) }})
	r := rand.New(rand.NewPCG(1, 1))
	texts := [][]int{randomIDs(r, 5, c.Vocab), randomIDs(r, 1, c.Vocab), randomIDs(r, 9, c.Vocab)}
	var pieces []Piece
	for _, ids := range texts {
		pieces = append(pieces, Piece{Session: e.NewSession(), IDs: ids})
	}
	require.NoError(t, e.Run(context.Background(), pieces...))
	require.Len(t, seen, 15*c.Layers)
	for i, ids := range texts {
		alone := e.NewSession()
		require.NoError(t, alone.Append(context.Background(), ids, nil))
		for l := range c.Layers {
			for p := range ids {
				require.Equal(t, seen[place{alone, l, p}], seen[place{pieces[i].Session, l, p}])
			}
		}
	}
}

// A batch opens each expert once for all of its texts.
func TestOneOpenForAll(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{MapBytes: MapNone})
	used := map[[2]int]bool{}
	e.SetHooks(Hooks{OnRoute: func(_ *Session, l, _ int, experts []int) {
		for _, x := range experts {
			used[[2]int{l, x}] = true
		}
	}})
	var pieces []Piece
	for i := range 6 {
		pieces = append(pieces, Piece{Session: e.NewSession(), IDs: []int{3 * i}})
	}
	require.NoError(t, e.Run(context.Background(), pieces...))
	require.EqualValues(t, len(used), e.Stats().Opened)
	require.Less(t, len(used), 6*c.Layers*c.TopK)
}

// After a batch that failed all texts are where they were, and those that do not
// need what is broken go on without the others.
func TestFailedBatchChangesNothing(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{MapBytes: MapNone})
	r := rand.New(rand.NewPCG(4, 4))
	texts := make([]*text, 5)
	for i := range texts {
		x := &text{ids: randomIDs(r, 60, c.Vocab), session: e.NewSession()}
		x.want = allLogits(t, x.session, x.ids)
		x.session.Reset()
		require.NoError(t, x.session.Append(context.Background(), x.ids[:50], nil))
		texts[i] = x
	}
	var needed []bool // by text: expert 2 of layer 1 at position 50
	for _, x := range texts {
		need := false
		e.SetHooks(Hooks{OnRoute: func(_ *Session, l, _ int, experts []int) {
			for _, n := range experts {
				need = need || l == 1 && n == 2
			}
		}})
		require.NoError(t, x.session.Append(context.Background(), x.ids[50:51], nil))
		require.True(t, x.session.Truncate(50))
		needed = append(needed, need)
	}
	require.Contains(t, needed, true)
	require.Contains(t, needed, false)
	path := filepath.Join(tree, "layers", "01", "experts", "02.safetensors")
	require.NoError(t, os.Rename(path, path+".gone"))
	var pieces []Piece
	for _, x := range texts {
		pieces = append(pieces, Piece{Session: x.session, IDs: x.ids[50:51], Logits: true})
	}
	require.ErrorContains(t, e.Run(context.Background(), pieces...), path)
	for i, x := range texts {
		require.Equal(t, 50, x.session.Len())
		require.Nil(t, x.session.Logits())
		err := e.Run(context.Background(), pieces[i])
		require.Equal(t, needed[i], err != nil, "text %d", i)
	}
	require.NoError(t, os.Rename(path+".gone", path))
	for i := range texts {
		if needed[i] {
			require.NoError(t, e.Run(context.Background(), pieces[i]))
		}
	}
	runInCompany(t, r, e, texts)
}

func TestWhatIsNoBatchIsRefused(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e, other := open(t, tree, Options{Context: 10}), open(t, tree, Options{})
	a, b := e.NewSession(), e.NewSession()
	ctx := context.Background()
	require.ErrorContains(t, e.Run(ctx), "no pieces")
	require.ErrorContains(t, e.Run(ctx, Piece{Session: a, IDs: []int{1}}, Piece{Session: b}), "piece 1 of the batch has no tokens")
	require.ErrorContains(t, e.Run(ctx, Piece{Session: a, IDs: []int{1}}, Piece{Session: a, IDs: []int{1}}), "pieces 0 and 1 of the batch are of one session")
	require.ErrorContains(t, e.Run(ctx, Piece{Session: other.NewSession(), IDs: []int{1}}), "another model's session")
	require.ErrorContains(t, e.Run(ctx, Piece{Session: a, IDs: []int{1}}, Piece{Session: b, IDs: make([]int, 11)}), "11 tokens do not fit")
	require.Zero(t, a.Len())
}

// fault is what reading a mapped file that was cut panics with.
type fault struct{}

func (fault) Error() string { return "fault" }
func (fault) Addr() uintptr { return 1 }

// A batch that fails at the very end leaves no logits of tokens that nobody has got.
func TestBatchThatFailsInTheHead(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{})
	r := rand.New(rand.NewPCG(6, 6))
	one, two := e.NewSession(), e.NewSession()
	pieces := []Piece{
		{Session: one, IDs: randomIDs(r, logitsTogether+5, c.Vocab), Each: func(int, []float32) {}, Logits: true},
		{Session: two, IDs: randomIDs(r, 5, c.Vocab), Each: func(int, []float32) { panic(fault{}) }},
	}
	var failed *mapped.FaultError
	require.ErrorAs(t, e.Run(context.Background(), pieces...), &failed)
	for _, s := range []*Session{one, two} {
		require.Zero(t, s.Len())
		require.Nil(t, s.Logits())
	}
	want := allLogits(t, e.NewSession(), pieces[0].IDs)
	require.NoError(t, e.Run(context.Background(), pieces[0]))
	requireBits(t, want[len(want)-1], one.Logits())
}

// A batch may be left after each half of a layer, and after each of the logits that
// are made together: what runs between is kept waiting by no more.
func TestBatchIsLeftAfterEachStage(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{})
	r := rand.New(rand.NewPCG(8, 8))
	each := func(int, []float32) {}
	for _, x := range []struct {
		rows  int
		piece Piece
	}{
		{0, Piece{}},
		{1, Piece{Logits: true}},
		{logitsTogether + 5, Piece{Each: each}},
		{2 * logitsTogether, Piece{Each: each, Logits: true}},
	} {
		x.piece.Session, x.piece.IDs = e.NewSession(), randomIDs(r, max(x.rows, 9), c.Vocab)
		b, err := e.NewBatch(x.piece)
		require.NoError(t, err)
		calls := 0
		for done := false; !done; calls++ {
			done, err = b.Advance(context.Background(), func() bool { return false })
			require.NoError(t, err)
		}
		require.Equal(t, 2*c.Layers+(x.rows+logitsTogether-1)/logitsTogether, calls, "%d rows", x.rows)
		require.Equal(t, x.piece.Logits, x.piece.Session.Logits() != nil)
	}
}
