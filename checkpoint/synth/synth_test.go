package synth

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"

	"github.com/stretchr/testify/require"
)

// small returns options for a model that is quick to write and has odd
// dimensions.
func small(t *testing.T) Options {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(3)
	c.Experts, c.Hidden, c.Intermediate, c.HeadDim, c.Heads, c.KVHeads = 5, 96, 64, 6, 6, 3
	return Options{Config: c, Seed: 7}
}

// write makes a checkpoint and opens it.
func write(t *testing.T, o Options) *checkpoint.Checkpoint {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, Write(context.Background(), dir, o))
	c, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// contentsOf returns the bytes of all views one after the other.
func contentsOf(t *testing.T, c *checkpoint.Checkpoint) []byte {
	t.Helper()
	views := []*checkpoint.View{c.Embedding(), c.Unembedding()}
	for l := range c.Config().Layers {
		views = append(views, c.Dense(l))
		for e := range c.Config().Experts {
			views = append(views, c.Expert(expertfs.NewKey(l, e)))
		}
	}
	var out bytes.Buffer
	for _, v := range views {
		data, err := c.ReadAll(v)
		require.NoError(t, err)
		out.Write(data)
	}
	return out.Bytes()
}

func TestOneSeedIsOneModel(t *testing.T) {
	want := contentsOf(t, write(t, small(t)))
	for name, change := range map[string]func(*Options){
		"again":        func(o *Options) {},
		"one worker":   func(o *Options) { o.Workers = 1 },
		"many workers": func(o *Options) { o.Workers = 9 },
		"shards":       func(o *Options) { o.ShardBytes = 100_000 },
		"hugging face": func(o *Options) { o.Layout = layout.HuggingFace },
		"both":         func(o *Options) { o.Layout, o.ShardBytes = layout.HuggingFace, 100_000 },
	} {
		t.Run(name, func(t *testing.T) {
			o := small(t)
			change(&o)
			c := write(t, o)
			require.Equal(t, o.ShardBytes > 0, len(c.Files()) > 1)
			require.Equal(t, want, contentsOf(t, c))
		})
	}
	other := small(t)
	other.Seed++
	require.NotEqual(t, want, contentsOf(t, write(t, other)))
}

func TestSizeIsWhatIsWritten(t *testing.T) {
	o := small(t)
	o.ShardBytes = 100_000
	want, err := Size(o)
	require.NoError(t, err)
	var got int64
	for _, f := range write(t, o).Files() {
		got += f.Size()
	}
	require.Equal(t, want, got)
}
