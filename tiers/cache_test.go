package tiers

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"expertfs/checkpoint"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
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
	data := append([]byte(nil), v.Header...)
	for _, e := range v.Extents {
		part := make([]byte, e.Len)
		_, err := io.ReadFull(io.NewSectionReader(ck.Files()[e.File], e.Off, e.Len), part)
		require.NoError(t, err)
		data = append(data, part...)
	}
	return data
}

func key(layer, expert int) policy.Key {
	return policy.Key{Layer: uint16(layer), Expert: uint16(expert)}
}

// open opens an expert that must open.
func open(t testing.TB, c *Cache, k policy.Key) *Handle {
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
			require.Equal(t, bytesOf(t, ck, ck.Expert(layer, expert)), h.Bytes())
			h.Release()
		}
	}
	s := c.Stats()
	require.EqualValues(t, 128, s.Misses)
	require.EqualValues(t, 121, s.Evictions)
	require.Equal(t, 7, s.Resident)
}

func TestDenseFilesAndEmbedding(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	h, err := c.OpenDense(context.Background(), DenseLayer(2), true)
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, ck, ck.Dense(2)), h.Bytes())
	h.Release()
	h, err = c.OpenDense(context.Background(), Unembedding, true)
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, ck, ck.Unembedding()), h.Bytes())
	h.Release()
	_, err = c.OpenDense(context.Background(), DenseLayer(4), true)
	require.ErrorIs(t, err, ErrRange)
	got, err := io.ReadAll(io.NewSectionReader(c.Embedding(), 0, ck.Embedding().Size()))
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, ck, ck.Embedding()), got)
	require.Equal(t, 2, c.Stats().DenseFiles)
}

func TestDenseFilesNobodyKeepsLeaveRAM(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	first, err := c.OpenDense(context.Background(), DenseLayer(0), false)
	require.NoError(t, err)
	second, err := c.OpenDense(context.Background(), DenseLayer(0), false)
	require.NoError(t, err)
	first.Release()
	require.Equal(t, 1, c.Stats().DenseFiles, "one reader is left")
	require.Equal(t, bytesOf(t, ck, ck.Dense(0)), second.Bytes())
	second.Release()
	require.Eventually(t, func() bool { return c.Stats().DenseFiles == 0 }, time.Minute, time.Millisecond)
	require.Zero(t, c.Stats().DenseBytes)
}
