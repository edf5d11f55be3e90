package tiers

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/tiers/ram"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ram.Helper()
	if os.Getenv(mapperEnv) != "" {
		mapFile()
		return
	}
	goleak.VerifyTestMain(m)
}

// deadline turns a hang into a failure.
const deadline = 2 * time.Minute

// tiny opens the model embedded in the program: 4 layers of 32 experts, top 4.
func tiny(t testing.TB) *checkpoint.Checkpoint {
	t.Helper()
	ck, err := checkpoint.Open("embed:tiny")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

// newCache makes a cache of slots experts, with checked invariants, and checks
// at the end that it gives everything back.
func newCache(t testing.TB, ck *checkpoint.Checkpoint, slots int, o Options) *Cache {
	t.Helper()
	o.Budget = int64(slots) * pages(ck.ExpertSize())
	o.checked = true
	if o.Policy == "" {
		o.Policy = "lru" // tests know its order
	}
	c, err := New(ck, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// pages rounds up to whole pages.
func pages(n int64) int64 { return (n + 4095) / 4096 * 4096 }

// bytesOf reads a view from the checkpoint, past everything under test.
func bytesOf(t testing.TB, ck *checkpoint.Checkpoint, v *checkpoint.View) []byte {
	t.Helper()
	data, err := ck.ReadAll(v)
	require.NoError(t, err)
	return data
}

func key(layer, expert int) expertfs.Key {
	return expertfs.Key{Layer: uint16(layer), Expert: uint16(expert)}
}

// open opens an expert that must open.
func open(t testing.TB, c *Cache, k expertfs.Key) *Handle {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	h, err := c.Open(ctx, k)
	require.NoError(t, err)
	return h
}

func TestEveryExpertHasItsBytes(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 7, Options{})
	for layer := range ck.Config().Layers {
		for expert := range ck.Config().Experts {
			h := open(t, c, key(layer, expert))
			require.Equal(t, bytesOf(t, ck, ck.Expert(key(layer, expert))), h.Bytes())
			h.Release()
		}
	}
	s := c.Stats()
	require.EqualValues(t, 128, s.Misses)
	require.EqualValues(t, 121, s.Evictions)
	require.Equal(t, 7, s.Resident)
}

func TestDenseFilesStayInRAM(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	for range 2 {
		views := denseViews(ck)
		views[Unembedding.Rounded()] = ck.UnembeddingRounded()
		for layer := range ck.Config().Layers {
			views[DenseLayer(layer).Rounded()] = ck.DenseRounded(layer)
		}
		for d, view := range views {
			h, err := c.OpenDense(context.Background(), d)
			require.NoError(t, err)
			require.Equal(t, bytesOf(t, ck, view), h.Bytes())
			h.Release()
			require.True(t, c.DenseInRAM(d))
		}
	}
	s := c.Stats()
	require.Equal(t, 11, s.DenseFiles)
	require.Equal(t, 5, s.RoundedFiles)
	require.Positive(t, s.RoundedBytes)
	require.Less(t, s.RoundedBytes, s.DenseBytes)
	require.EqualValues(t, 11, s.Loads)
	for _, d := range []Dense{DenseLayer(4), -3, DenseLayer(4).Rounded(), Embedding.Rounded()} {
		_, err := c.OpenDense(context.Background(), d)
		require.ErrorIs(t, err, ErrRange)
	}
}

func TestReadDenseCostsNoRAM(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	for d, view := range denseViews(ck) {
		r, err := c.ReadDense(d)
		require.NoError(t, err)
		got, err := io.ReadAll(io.NewSectionReader(r, 0, view.Size()))
		require.NoError(t, err)
		require.Equal(t, bytesOf(t, ck, view), got)
		require.False(t, c.DenseInRAM(d))
	}
	s := c.Stats()
	require.Zero(t, s.DenseFiles)
	require.Zero(t, s.DenseBytes)
	require.Zero(t, s.Loads)
	require.Positive(t, s.BytesRead)
	_, err := c.ReadDense(DenseLayer(4))
	require.ErrorIs(t, err, ErrRange)
}

// denseViews lists all dense files of the tiny model.
func denseViews(ck *checkpoint.Checkpoint) map[Dense]*checkpoint.View {
	views := map[Dense]*checkpoint.View{Unembedding: ck.Unembedding(), Embedding: ck.Embedding()}
	for layer := range ck.Config().Layers {
		views[DenseLayer(layer)] = ck.Dense(layer)
	}
	return views
}

func TestReadsOfAClosedCache(t *testing.T) {
	c := newCache(t, tiny(t), 4, Options{})
	r, err := c.ReadDense(Embedding)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = r.ReadAt(make([]byte, 10), 4096)
	require.ErrorIs(t, err, ErrClosed)
	require.Empty(t, c.Stats().Errors)
}
