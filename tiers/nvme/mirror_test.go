package nvme

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/gguf/gguftest"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
)

// smallModel writes a checkpoint and returns its folder.
func smallModel(t *testing.T, l *layout.Layout, shard int64) string {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(2)
	c.Experts, c.Vocab = 8, 512
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(context.Background(), dir, synth.Options{Config: c, Seed: 7, Layout: l, ShardBytes: shard}))
	return dir
}

// copyOf copies a folder to another place.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "copy of "+filepath.Base(dir))
	require.NoError(t, os.CopyFS(other, os.DirFS(dir)))
	return other
}

// TestMirrorsOfEveryFormat reads all views of checkpoints with a mirror while one of the
// two, then the other, is taken away and put back: the bytes are those of the checkpoint
// alone.
func TestMirrorsOfEveryFormat(t *testing.T) {
	for name, write := range map[string]func(t *testing.T) string{
		"OpenAI":              func(t *testing.T) string { return smallModel(t, layout.OpenAI, 0) },
		"Hugging Face":        func(t *testing.T) string { return smallModel(t, layout.HuggingFace, 100_000) },
		"GGUF":                func(t *testing.T) string { return ggufModel(t, gguftest.Forms["q8_0"], 1) },
		"GGUF in shards":      func(t *testing.T) string { return ggufModel(t, gguftest.Forms["ollama4"], 3) },
		"the tree of a mount": treeModel,
	} {
		t.Run(name, func(t *testing.T) {
			own := write(t)
			other := copyOf(t, own)
			plain := openCheckpoint(t, own)
			want := map[*checkpoint.View][]byte{}
			for _, v := range viewsOf(plain) {
				want[v] = bytesOf(t, plain, v)
			}
			ck, err := checkpoint.OpenWith(own, checkpoint.Options{Mirrors: []string{other}})
			require.NoError(t, err)
			defer func() { require.NoError(t, ck.Close()) }()
			require.Equal(t, plain.ID(), ck.ID())
			r, err := Open(ck.Files(), Options{Chunk: 9000})
			require.NoError(t, err)
			defer func() { require.NoError(t, r.Close()) }()
			t.Log(r.Mechanism())
			compare := func() {
				var readers sync.WaitGroup
				for v, data := range want {
					readers.Go(func() {
						got := make([]byte, v.Size())
						j := r.Start(v, got, 0)
						<-j.Done()
						if j.Err() != nil || !bytes.Equal(data, got) {
							t.Errorf("%v: or other bytes", j.Err())
						}
					})
				}
				readers.Wait()
			}
			compare()
			for _, s := range ck.Mirrors().Stats() {
				require.NotZero(t, s.Bytes, s.Dir)
				require.Zero(t, s.Errors, s.Dir)
			}
			for _, dir := range []string{own, other} {
				require.NoError(t, os.Rename(dir, dir+".gone"))
				compare()
				require.NoError(t, os.Rename(dir+".gone", dir))
				compare()
			}
		})
	}
}

func viewsOf(ck *checkpoint.Checkpoint) []*checkpoint.View {
	views := []*checkpoint.View{ck.Embedding(), ck.Unembedding(), ck.UnembeddingRounded()}
	for l := range ck.Config().Layers {
		views = append(views, ck.Dense(l), ck.DenseRounded(l))
		for e := range ck.Config().Experts {
			views = append(views, ck.Expert(expertfs.NewKey(l, e)))
		}
	}
	return views
}

func ggufModel(t *testing.T, f gguftest.Form, shards int) string {
	t.Helper()
	dir := t.TempDir()
	kvs, tensors := gguftest.Model(t, embeddedModel(t), f)
	gguftest.Save(t, dir, kvs, tensors, shards)
	return dir
}

func treeModel(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := checkpointtest.Files(embeddedModel(t))
	require.NoError(t, err)
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	return dir
}

// TestBothCopiesGone: reads of what is on no drive any more fail, and nothing else does.
func TestBothCopiesGone(t *testing.T) {
	own := smallModel(t, layout.HuggingFace, 100_000)
	other := copyOf(t, own)
	plain := openCheckpoint(t, own)
	ck, err := checkpoint.OpenWith(own, checkpoint.Options{Mirrors: []string{other}})
	require.NoError(t, err)
	defer func() { require.NoError(t, ck.Close()) }()
	r, err := Open(ck.Files(), Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	lost := ck.Expert(expertfs.NewKey(0, 1))
	var from []int
	for _, p := range lost.Parts {
		for _, e := range p.From {
			from = append(from, e.File)
		}
	}
	for _, i := range from {
		name := ck.Files()[i].Name()
		for _, dir := range []string{own, other} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
		}
	}
	served, failed := 0, 0
	for _, v := range viewsOf(ck) {
		touched := false
		for _, p := range v.Parts {
			for _, e := range p.From {
				for _, i := range from {
					touched = touched || e.File == i
				}
			}
		}
		got := make([]byte, v.Size())
		j := r.Start(v, got, 0)
		<-j.Done()
		if touched {
			require.ErrorIs(t, j.Err(), fs.ErrNotExist)
			failed++
			continue
		}
		require.NoError(t, j.Err())
		require.True(t, bytes.Equal(bytesOf(t, plain, v), got))
		served++
	}
	require.NotZero(t, served)
	require.NotZero(t, failed)
}
