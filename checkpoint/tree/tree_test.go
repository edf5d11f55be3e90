package tree_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/gguf/gguftest"
	"expertfs/tiers/nvme"

	"github.com/stretchr/testify/require"
)

// open opens a checkpoint that must be sound.
func open(t *testing.T, path string) *checkpoint.Checkpoint {
	t.Helper()
	ck, err := checkpoint.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

// TestACopyShowsWhatItIsACopyOf for the small model, and for GGUF forms of it
// with types that the published models do not have.
func TestACopyShowsWhatItIsACopyOf(t *testing.T) {
	tiny := open(t, "embed:tiny")
	forms := map[string]string{"published": "embed:tiny"}
	for _, form := range []string{"q8_0", "f32"} {
		kvs, tensors := gguftest.Model(t, tiny, gguftest.Forms[form])
		for i := range tensors {
			if tensors[i].Name == "blk.0.ffn_up_exps.bias" { // so that biases of experts are F32
				tensors[i].Data = bytes.Clone(tensors[i].Data)
				tensors[i].Data[4]++
			}
		}
		forms[form] = gguftest.Save(t, t.TempDir(), kvs, tensors, 1)[0]
	}
	for name, path := range forms {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			require.NoError(t, checkpointtest.WriteTree(dir, path))
			from, got := open(t, path), open(t, dir)
			require.Equal(t, "tree", got.Format())
			require.Equal(t, "copy", got.Name())
			want, err := checkpointtest.Files(from)
			require.NoError(t, err)
			have, err := checkpointtest.Files(got)
			require.NoError(t, err)
			require.Equal(t, want, have)
			require.NoError(t, got.CheckScales(t.Context(), nil))
		})
	}
}

// TestReadsOfMoreFilesThanAreKeptOpen reads by the NVMe tier, and compares the
// descriptors that are open with what the pool may keep.
func TestReadsOfMoreFilesThanAreKeptOpen(t *testing.T) {
	before := descriptors(t)
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, "embed:tiny"))
	tiny := open(t, "embed:tiny")
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	r, err := nvme.Open(ck.Files(), nvme.Options{Workers: 4})
	require.NoError(t, err)
	require.Less(t, descriptors(t), before+20, "none of the 134 files is open yet")
	t.Log(r.Mechanism())
	for l := range 4 {
		for e := range 32 {
			k := expertfs.NewKey(l, e)
			v := ck.Expert(k)
			got := make([]byte, v.Size())
			j := r.Start(v, got, 0)
			<-j.Done()
			require.NoError(t, j.Err())
			want, err := tiny.ReadAll(tiny.Expert(k))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
		}
	}
	path := filepath.Join(dir, "layers/01/experts/05.safetensors")
	load := func() error {
		v := ck.Expert(expertfs.NewKey(1, 5))
		j := r.Start(v, make([]byte, v.Size()), 0)
		<-j.Done()
		return j.Err()
	}
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	require.NoError(t, load(), "a touch is no change")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".new", data, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	require.ErrorContains(t, load(), "was replaced")
	require.NoError(t, r.Close())
	require.NoError(t, ck.Close())
	require.Equal(t, before, descriptors(t))
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"no config": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/config.json")) }, "config.json: missing"},
		"an expert less": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/layers/03/experts/31.safetensors")) },
			"layers/03/experts/31.safetensors: missing: copy it from the mount"},
		"cut": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(dir+"/layers/00/experts/00.safetensors", 20_000))
		}, "layers/00/experts/00.safetensors: truncated"},
		"of another kind": {func(t *testing.T, dir string) {
			data, err := os.ReadFile(dir + "/layers/00/dense.safetensors")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(dir+"/layers/00/experts/00.safetensors", data, 0o600))
		}, `layers/00/experts/00.safetensors: tensor "mlp1_weight.blocks" is missing`},
		"the mount itself": {func(t *testing.T, dir string) { require.NoError(t, os.Mkdir(dir+"/.expertfs", 0o700)) }, "is a mount already"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, checkpointtest.WriteTree(dir, "embed:tiny"))
			c.spoil(t, dir)
			_, err := checkpoint.Open(dir)
			require.ErrorContains(t, err, c.want)
			require.False(t, strings.Contains(err.Error(), "\n"))
		})
	}
}
