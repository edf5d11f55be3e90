package infer

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/gguf/gguftest"
	"expertfs/checkpoint/q8"

	"github.com/stretchr/testify/require"
)

// TestRoundedFiles has the same logits, to the bit, with matrices that the folder
// has rounded as with those that are rounded at load, whatever they were made of.
func TestRoundedFiles(t *testing.T) {
	path, ck := modelForGGUF(t)
	models := map[string]string{"safetensors": path}
	for name, form := range gguftest.Forms {
		kvs, tensors := gguftest.Model(t, ck, form)
		models[name] = gguftest.Save(t, t.TempDir(), kvs, tensors, 1)[0]
		models["copy of "+name] = makeTree(t, models[name])
	}
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	logits := func(t *testing.T, tree string) [][]uint32 {
		return allLogits(t, open(t, tree, Options{Act: "int8", Threads: 2, Batch: 16}).NewSession(), ids)
	}
	for name, path := range models {
		t.Run(name, func(t *testing.T) {
			tree := makeTree(t, path)
			want := logits(t, tree)
			require.NoError(t, checkpointtest.WriteRounded(tree, path))
			require.Equal(t, want, logits(t, tree))

			// They are what is computed on.
			file := filepath.Join(tree, ".expertfs", "rounded", "00.safetensors")
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			for i := 5000; i < 6000; i++ {
				data[i] ^= 64
			}
			require.NoError(t, os.WriteFile(file, data, 0o600))
			require.NotEqual(t, want, logits(t, tree))

			// One in another layout is of no use, and none is needed.
			other := bytes.Replace(data, []byte(q8.Layout), []byte("q8/0"), 1)
			require.NotEqual(t, data, other)
			require.NoError(t, os.WriteFile(file, other, 0o600))
			require.Equal(t, want, logits(t, tree))
			require.NoError(t, os.Remove(file))
			require.Equal(t, want, logits(t, tree))
		})
	}
}

// TestProgress is told of all dense weights, whether they are rounded or mapped.
func TestProgress(t *testing.T) {
	tree := makeTree(t, "embed:tiny")
	for range 2 {
		for _, dense := range []string{"int8", "bf16"} {
			var last, all int64
			e, err := Open(tree, Options{Dense: dense, Progress: func(loaded, total int64) {
				require.Greater(t, loaded, last)
				last, all = loaded, total
			}})
			require.NoError(t, err)
			require.NoError(t, e.Close())
			require.LessOrEqual(t, last, all)
			require.Greater(t, last, all*9/10)
		}
		require.NoError(t, checkpointtest.WriteRounded(tree, "embed:tiny"))
	}
}
