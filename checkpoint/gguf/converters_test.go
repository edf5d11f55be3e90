package gguf_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/gguf/gguftest"

	"github.com/stretchr/testify/require"
)

// same compares the experts of two checkpoints, and what is outside of them if asked.
func same(t *testing.T, from, got *checkpoint.Checkpoint, dense bool) {
	t.Helper()
	for l := range from.Config().Layers {
		for e := range from.Config().Experts {
			k := expertfs.NewKey(l, e)
			require.True(t, bytes.Equal(read(t, from, from.Expert(k)), read(t, got, got.Expert(k))), k)
		}
		if dense {
			require.True(t, bytes.Equal(read(t, from, from.Dense(l)), read(t, got, got.Dense(l))), l)
		}
	}
}

// Converters differ in what they add and in the types of small tensors.
func TestWhatOtherConvertersWrite(t *testing.T) {
	from := small(t)
	retype := func(kind uint32, suffixes ...string) func(kvs []gguftest.KV, ts []gguftest.Tensor) ([]gguftest.KV, []gguftest.Tensor) {
		return func(kvs []gguftest.KV, ts []gguftest.Tensor) ([]gguftest.KV, []gguftest.Tensor) {
			n := 0
			for i := range ts {
				for _, s := range suffixes {
					if strings.HasSuffix(ts[i].Name, s) {
						require.EqualValues(t, gguftest.F32, ts[i].Kind)
						ts[i].Kind, ts[i].Data = kind, gguftest.Quantise(kind, gguftest.Values(asBF16(ts[i].Data)))
						n++
					}
				}
			}
			require.GreaterOrEqual(t, n, from.Config().Layers)
			return kvs, ts
		}
	}
	for name, c := range map[string]struct {
		change func(kvs []gguftest.KV, ts []gguftest.Tensor) ([]gguftest.KV, []gguftest.Tensor)
		dense  bool // is as it was
	}{
		"biases of experts in BF16": {retype(gguftest.BF16, "_exps.bias"), true},
		"biases of attention, BF16": {retype(gguftest.BF16, "attn_q.bias", "attn_v.bias", "attn_output.bias"), true},
		"router in BF16":            {retype(gguftest.BF16, "ffn_gate_inp.weight", "ffn_gate_inp.bias"), true},
		"router in Q8_0":            {retype(gguftest.Q8_0, "ffn_gate_inp.weight"), false},
		"router in F16, norms, too": {retype(gguftest.F16, "ffn_gate_inp.weight", "_norm.weight"), false},
		"sinks in BF16, norms, too": {retype(gguftest.BF16, "attn_sinks.weight", "_norm.weight"), true},
		"tensors that nobody needs": {func(kvs []gguftest.KV, ts []gguftest.Tensor) ([]gguftest.KV, []gguftest.Tensor) {
			extra := []gguftest.Tensor{
				{Name: "rope_freqs.weight", Dims: []uint64{16}, Kind: gguftest.F32, Data: make([]byte, 64)},
				{Name: "of.a.later.version", Dims: []uint64{7, 7}, Kind: 99, Data: make([]byte, 50)},
			}
			return kvs, append(extra, ts...)
		}, true},
		"metadata of quantisers": {func(kvs []gguftest.KV, ts []gguftest.Tensor) ([]gguftest.KV, []gguftest.Tensor) {
			return append([]gguftest.KV{
				{Key: "quantize.imatrix.file", Value: "gpt-oss-20b-GGUF/imatrix_unsloth.gguf"}, {Key: "quantize.imatrix.entries_count", Value: uint32(193)},
				{Key: "general.tags", Value: []string{"vllm", "unsloth"}}, {Key: "general.quantization_version", Value: uint32(2)},
				{Key: "gpt-oss.expert_gating_func", Value: uint32(3)}, {Key: "gpt-oss.attention.sliding_window_pattern", Value: uint32(2)},
				{Key: "tokenizer.ggml.add_bos_token", Value: false}, {Key: "an.unknown.key", Value: uint64(1)},
			}, kvs...), ts
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			kvs, stored := gguftest.Model(t, from, gguftest.Forms["bf16"])
			kvs, stored = c.change(kvs, stored)
			got := open(t, gguftest.Save(t, t.TempDir(), kvs, stored, 1)[0])
			same(t, from, got, c.dense)
			require.NoError(t, got.CheckScales(t.Context(), nil))
			got.DenseRounded(1)
		})
	}
}

// asBF16 returns F32 data whose values are exact in BF16 as BF16.
func asBF16(data []byte) (out []byte) {
	for v := range slices.Chunk(data, 4) {
		out = append(out, v[2:]...)
	}
	return out
}

// Files of several are where downloads put them: behind links, in a folder that nobody may
// write to, the first one without a tensor.
func TestWhereFilesLie(t *testing.T) {
	from := small(t)
	kvs, stored := gguftest.Model(t, from, gguftest.Forms["bf16"])
	dir := t.TempDir()
	blobs, snapshot := filepath.Join(dir, "blobs"), filepath.Join(dir, "snapshots", "abc", "UD-Q4_K_XL")
	require.NoError(t, os.MkdirAll(blobs, 0o700))
	require.NoError(t, os.MkdirAll(snapshot, 0o700))
	half := len(stored) / 2
	for i, part := range [][]gguftest.Tensor{nil, stored[:half], stored[half:]} {
		own := []gguftest.KV{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(3)}, {Key: "split.tensors.count", Value: int32(len(stored))}}
		if i == 0 {
			own = append(own, kvs...)
		}
		blob := filepath.Join(blobs, strings.Repeat(fmt.Sprint(i), 64))
		require.NoError(t, os.WriteFile(blob, gguftest.Encode(own, part), 0o400))
		require.NoError(t, os.Symlink(filepath.Join("..", "..", "..", "blobs", filepath.Base(blob)), filepath.Join(snapshot, fmt.Sprintf("gpt-oss-UD-%05d-of-00003.gguf", i+1))))
	}
	for _, d := range []string{blobs, snapshot} {
		require.NoError(t, os.Chmod(d, 0o500))
		t.Cleanup(func() { _ = os.Chmod(d, 0o700) }) // so that it can be removed
	}
	for _, path := range []string{snapshot, filepath.Join(snapshot, "gpt-oss-UD-00002-of-00003.gguf")} {
		same(t, from, open(t, path), true)
	}
	// One that was made of several, by llama-gguf-split --merge, says that it is one of none.
	merged := filepath.Join(dir, "merged.gguf")
	own := append(slices.Clone(kvs), gguftest.KV{Key: "split.no", Value: uint16(0)}, gguftest.KV{Key: "split.count", Value: uint16(0)}, gguftest.KV{Key: "split.tensors.count", Value: int32(len(stored))})
	require.NoError(t, os.WriteFile(merged, gguftest.Encode(own, stored), 0o600))
	same(t, from, open(t, merged), true)
	_, err := checkpoint.Open(filepath.Join(blobs, strings.Repeat("1", 64)))
	require.ErrorContains(t, err, "is one of 3 files: give it the name that it was published under")
}

// A type that is not served is told with its tensor, in one line.
func TestTypesThatAreNotServed(t *testing.T) {
	from := small(t)
	for _, c := range []struct {
		tensor string
		kind   uint32
		bytes  int // of 32 values, or of all
		says   string
	}{
		{"blk.1.attn_output.weight", 39, 17, `tensor "blk.1.attn_output.weight" is of type MXFP4, which is not served`},
		{"token_embd.weight", 99, 1, `tensor "token_embd.weight" is of type no. 99, which is not served`},
		{"blk.0.ffn_gate_inp.weight", 24, 32, "is of type I8, which is not served"},
		{"blk.2.attn_norm.weight", 8, 34, `tensor "blk.2.attn_norm.weight" is of type Q8_0, which is not served`},
		{"blk.2.ffn_down_exps.weight", 2, 18, `tensor "blk.2.ffn_down_exps.weight" is of type Q4_0: the experts are not MXFP4`},
	} {
		kvs, stored := gguftest.Model(t, from, gguftest.Forms["bf16"])
		for i := range stored {
			if stored[i].Name == c.tensor {
				values := 1
				for _, d := range stored[i].Dims {
					values *= int(d)
				}
				stored[i].Kind, stored[i].Data = c.kind, make([]byte, values/32*c.bytes)
			}
		}
		_, err := checkpoint.Open(gguftest.Save(t, t.TempDir(), kvs, stored, 1)[0])
		require.ErrorContains(t, err, c.says)
		require.NotContains(t, err.Error(), "\n")
	}
}
