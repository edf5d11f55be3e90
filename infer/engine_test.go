package infer

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"expertfs/checkpoint/config"
	"expertfs/infer/mapped/mappedtest"

	"github.com/stretchr/testify/require"
)

// smallConfig is a model that computes quickly and uses every feature.
func smallConfig() *config.Config {
	return &config.Config{
		Layers: 3, Experts: 8, TopK: 3, Hidden: 96, Intermediate: 64, Vocab: 131,
		HeadDim: 32, Heads: 4, KVHeads: 2, Window: 20, Sliding: []bool{true, false, true},
		RMSEps: 1e-5, SwigluLimit: 7, SwigluAlpha: 1.702,
		Rope: config.Rope{Theta: 10000, Factor: 4, Alpha: 1, Beta: 8, InitialContext: 128},
	}
}

func open(t testing.TB, dir string, o Options) *Engine {
	t.Helper()
	e, err := Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// allLogits returns the bits of the logits of every position.
func allLogits(t testing.TB, s *Session, ids []int) [][]uint32 {
	t.Helper()
	var all [][]uint32
	require.NoError(t, s.Append(context.Background(), ids, func(_ int, logits []float32) {
		bits := make([]uint32, len(logits))
		for i, v := range logits {
			bits[i] = math.Float32bits(v)
		}
		all = append(all, bits)
	}))
	return all
}

// The logits must not show how the work was cut up or what stayed mapped.
func TestSameBytesHoweverComputed(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 70, 131)
	for _, act := range []string{"f32", "bf16", "int8"} {
		for _, dense := range []string{"bf16", "int8"} {
			t.Run(act+"-"+dense, func(t *testing.T) {
				o := Options{Act: act, Dense: dense, Threads: 1, Batch: 64}
				want := allLogits(t, open(t, tree, o).NewSession(), ids)
				for _, change := range []struct {
					name string
					o    func(*Options)
				}{
					{"threads", func(o *Options) { o.Threads = 3 }},
					{"token by token", func(o *Options) { o.Batch = 1 }},
					{"odd batches", func(o *Options) { o.Batch, o.Threads = 7, 2 }},
					{"nothing mapped", func(o *Options) { o.MapBytes, o.Batch = MapNone, 1 }},
					{"little mapped", func(o *Options) { o.MapBytes, o.Batch, o.Threads = 70_000, 1, 2 }},
				} {
					changed := o
					change.o(&changed)
					require.Equal(t, want, allLogits(t, open(t, tree, changed).NewSession(), ids), change.name)
				}
			})
		}
	}
}

func TestTruncateGoesOnFromThere(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e := open(t, tree, Options{Batch: 8})
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 200, 131)
	want := allLogits(t, e.NewSession(), ids)

	s := e.NewSession()
	allLogits(t, s, ids[:190])
	require.True(t, s.Truncate(185))
	require.Nil(t, s.Logits())
	require.Equal(t, 185, s.Len())
	require.Equal(t, want[185:], allLogits(t, s, ids[185:]))
	require.NotNil(t, s.Logits())

	require.False(t, s.Truncate(30), "sliding layers no longer have position 29")
	require.Equal(t, 200, s.Len())
	require.False(t, s.Truncate(201))
	require.True(t, s.Truncate(0))
	require.Equal(t, want, allLogits(t, s, ids))
}

func TestSlidingLayersKeepBoundedMemory(t *testing.T) {
	c := smallConfig()
	_, tree := randomModel(t, c, 3)
	e := open(t, tree, Options{Batch: 10})
	s := e.NewSession()
	for n := 0; n < 500; n += 50 {
		allLogits(t, s, randomIDs(rand.New(rand.NewPCG(1, uint64(n))), 50, 131))
		for l, cache := range s.cache {
			if c.Sliding[l] {
				require.LessOrEqual(t, len(cache.blocks)+len(cache.free), 2+(c.Window+10)/blockLen, "layer %d", l)
			}
		}
	}
}

func TestRefusesWhatDoesNotFit(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e := open(t, tree, Options{Context: 10})
	s := e.NewSession()
	require.ErrorContains(t, s.Append(context.Background(), make([]int, 11), nil), "11 tokens do not fit: the context has 10")
	require.ErrorContains(t, s.Append(context.Background(), []int{5, 131}, nil), "id 131 is outside of the vocabulary (0 to 130)")
	require.ErrorContains(t, s.Append(context.Background(), []int{-1}, nil), "id -1 is outside")
	require.Zero(t, s.Len())
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Append(cancelled, []int{1}, nil), context.Canceled)
	require.NoError(t, s.Append(context.Background(), make([]int, 10), nil))
	ids, finish, err := s.Generate(context.Background(), Generation{Max: -1, Sample: func([]float32) (int, error) { return 7, nil }})
	require.NoError(t, err)
	require.Equal(t, FinishLength, finish)
	require.Equal(t, []int{7}, ids)
}

func TestOptionsAreChecked(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	for _, x := range []struct {
		o    Options
		want string
	}{
		{Options{Act: "f16"}, `Act "f16": want bf16 or f32 or int8`},
		{Options{Dense: "q4"}, `Dense "q4": want bf16 or int8`},
		{Options{Prefetch: "maybe"}, `Prefetch "maybe": want auto or off or on`},
		{Options{Threads: -1}, "Threads -1: want 1 to 1024, or 0 for all processors"},
		{Options{Context: 513}, "Context 513: want 1 to 512 tokens, which is what the model allows"},
		{Options{Batch: -1}, "Batch -1: want 1 to 16384 tokens"},
	} {
		_, err := Open(tree, x.o)
		require.ErrorContains(t, err, x.want)
		require.ErrorAs(t, err, new(OptionError))
		_, _, err = ShapeOf(tree, x.o)
		require.ErrorContains(t, err, x.want)
		if x.o.Context == 0 { // else only the model says what is allowed
			require.ErrorContains(t, x.o.Check(), x.want)
		}
	}
	require.ErrorAs(t, Options{Context: -1}.Check(), new(OptionError))
	require.NoError(t, Options{}.Check())
}

// TestShapeOf: what is said of a model before it is loaded holds afterwards.
func TestShapeOf(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	for _, o := range []Options{{}, {Act: "f32"}, {KV: "q8", Context: 100, Batch: 16}} {
		e, err := Open(tree, o)
		require.NoError(t, err)
		shape, context, err := ShapeOf(tree, o)
		require.NoError(t, err)
		require.Equal(t, e.Shape(), shape)
		require.Equal(t, e.Context(), context)
		require.Equal(t, e.SessionBytes(300), shape.SessionBytes(300))
		require.NoError(t, e.Close())
	}
}

func TestClosedEngineSaysSo(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e, err := Open(tree, Options{})
	require.NoError(t, err)
	s := e.NewSession()
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	require.ErrorIs(t, s.Append(context.Background(), []int{1}, nil), errClosed)
}

// A broken expert is an error that names it, and the engine goes on when the
// expert is whole again.
func TestBrokenExperts(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	want := allLogits(t, open(t, tree, Options{}).NewSession(), ids)
	layer := filepath.Join(tree, "layers", "01")
	for _, x := range []struct {
		name, want string
		spoil      func(t *testing.T, path string)
	}{
		{"missing", "no such file", func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }},
		{"empty", "0 bytes is no size for a tensor file", func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) }},
		{"cut in its data", "truncated", func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 9000)) }},
		{"cut in its header", "truncated", func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 100)) }},
		{"not a number", "tensor mlp2_weight.scales: scale of row 3, block 1 is 255", spoilScale},
	} {
		t.Run(x.name, func(t *testing.T) {
			e := open(t, tree, Options{})
			s := e.NewSession()
			path := filepath.Join(layer, "experts", "02.safetensors")
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			x.spoil(t, path)
			for range 2 {
				err = s.Append(context.Background(), ids, nil)
				require.ErrorContains(t, err, x.want)
				require.ErrorContains(t, err, path)
				require.Zero(t, s.Len())
			}
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, os.WriteFile(path, whole, 0o644))
			require.Equal(t, want, allLogits(t, s, ids))
		})
	}
}

// spoilScale makes the second scale of row 3 of the second matrix a NaN.
func spoilScale(t *testing.T, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var size [8]byte
	_, err = io.ReadFull(f, size[:])
	require.NoError(t, err)
	start := 8 + int64(binary.LittleEndian.Uint64(size[:]))
	c := smallConfig()
	mlp1, mlp2 := int64(2*c.Intermediate*c.Hidden), int64(c.Hidden*c.Intermediate)
	_, err = f.WriteAt([]byte{255}, start+mlp1/2+mlp2/2+mlp1/32+3*int64(c.Intermediate)/32+1)
	require.NoError(t, err)
}

// A file that shrinks while it is mapped is an error, not a crash, and when it is
// whole again the text goes on.
func TestFileCutWhileMapped(t *testing.T) {
	mappedtest.NeedFaults(t)
	for _, dense := range []string{"int8", "bf16"} {
		_, tree := randomModel(t, smallConfig(), 3)
		e := open(t, tree, Options{Threads: 2, Dense: dense})
		s := e.NewSession()
		ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
		want := allLogits(t, s, ids)
		s.Reset()
		whole := make(map[string][]byte)
		paths, err := filepath.Glob(filepath.Join(tree, "layers", "*", "experts", "*"))
		require.NoError(t, err)
		paths = append(paths, filepath.Join(tree, "layers", "01", "dense.safetensors"))
		for _, path := range paths {
			whole[path], err = os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, 0))
		}
		require.ErrorContains(t, s.Append(context.Background(), ids, nil), "cannot be read")
		require.Error(t, s.Append(context.Background(), ids, nil))
		for path, data := range whole {
			require.NoError(t, os.WriteFile(path, data, 0o644))
		}
		require.Equal(t, want, allLogits(t, s, ids))
	}
}

// A model that is not the one that was opened is an error.
func TestAnotherModelInThePlaceOfTheOpenOne(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e := open(t, tree, Options{})
	e.lost = true
	c := smallConfig()
	c.Vocab++
	_, other := randomModel(t, c, 3)
	text, err := os.ReadFile(filepath.Join(other, "config.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(tree, "config.json"), text, 0o644))
	require.ErrorContains(t, e.NewSession().Append(context.Background(), []int{1}, nil), "is another model now")
}

func TestFolderThatIsNoTree(t *testing.T) {
	ck, tree := randomModel(t, smallConfig(), 3)
	_, err := Open(ck, Options{})
	require.ErrorContains(t, err, "is a checkpoint; mount it first: expertfs mount")
	_, err = Open(filepath.Join(tree, "nowhere"), Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.TempDir(), Options{})
	require.ErrorContains(t, err, "is not a model folder")
	_, err = Open(filepath.Join(tree, "config.json"), Options{})
	require.ErrorContains(t, err, "is a file")
	require.NoError(t, os.Remove(filepath.Join(tree, "layers", "02", "dense.safetensors")))
	_, err = Open(tree, Options{})
	require.ErrorContains(t, err, filepath.Join("layers", "02", "dense.safetensors"))
}

// Sessions used at the same time do not disturb each other, and counters can be
// read meanwhile.
func TestSessionsTakeTurns(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	e := open(t, tree, Options{Batch: 4, Threads: 2})
	texts := make([][]int, 3)
	var want [3][][]uint32
	for i := range texts {
		texts[i] = randomIDs(rand.New(rand.NewPCG(uint64(i), 2)), 40, 131)
		want[i] = allLogits(t, e.NewSession(), texts[i])
	}
	var wg sync.WaitGroup
	var got [3][][]uint32
	for i := range texts {
		wg.Go(func() { got[i] = allLogits(t, e.NewSession(), texts[i]) })
	}
	for before := 3 * 40; before < 2*3*40; {
		now := e.Stats().Tokens
		require.GreaterOrEqual(t, now, before)
		before = now
	}
	wg.Wait()
	require.Equal(t, want, got)
}
