package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/safetensors"

	"github.com/stretchr/testify/require"
)

// damage is a way to spoil a checkpoint, and what Open has to say of it.
type damage struct {
	name  string
	spoil func(t *testing.T, f files)
	want  []string // all of them in the message
}

const weights = "model.safetensors"

// singleFile lists what can go wrong with a checkpoint of OpenAI's layout in one file.
var singleFile = []damage{
	{"no config", func(t *testing.T, f files) { delete(f, layout.ConfigName) }, []string{"mem/config.json: missing", "download it again"}},
	{"config is garbage", func(t *testing.T, f files) { f[layout.ConfigName] = []byte("<html>") }, []string{"mem/config.json: not the JSON"}},
	{"config is huge", func(t *testing.T, f files) { f[layout.ConfigName] = make([]byte, 1<<20+1) }, []string{"mem/config.json: larger than 1048576 bytes"}},
	{"config has one layer less", func(t *testing.T, f files) { f.editJSON(t, layout.ConfigName, map[string]any{"num_hidden_layers": 1}) },
		[]string{"mem/config.json: num_hidden_layers is 1", "block.1."}},
	{"config has one layer more", func(t *testing.T, f files) { f.editJSON(t, layout.ConfigName, map[string]any{"num_hidden_layers": 3}) },
		[]string{"mem", `"block.2.attn.norm.scale" is missing`, "expected BF16[64]", "14 more"}},
	{"config has most layers", func(t *testing.T, f files) {
		f.editJSON(t, layout.ConfigName, map[string]any{"num_hidden_layers": 4096})
	},
		[]string{"is missing", "1000 more"}},
	{"config has more experts", func(t *testing.T, f files) { f.editJSON(t, layout.ConfigName, map[string]any{"num_experts": 4}) },
		[]string{"mem/config.json: says num_experts 4, but the weights have 3", "another model?"}},
	{"config is of another width", func(t *testing.T, f files) { f.editJSON(t, layout.ConfigName, map[string]any{"hidden_size": 2880}) },
		[]string{"mem/config.json: says hidden_size 2880, but the weights have 64", "another model?"}},

	{"empty weights", func(t *testing.T, f files) { f[weights] = nil }, []string{"mem/model.safetensors: 0 bytes are too few", "download it again"}},
	{"Git LFS pointer", func(t *testing.T, f files) {
		f[weights] = []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
	}, []string{"mem/model.safetensors", "git lfs pull"}},
	{"truncated by a byte", func(t *testing.T, f files) { f[weights] = f[weights][:len(f[weights])-1] },
		[]string{"mem/model.safetensors: truncated", `"unembedding.weight"`, "download it again"}},
	{"truncated in the header", func(t *testing.T, f files) { f[weights] = f[weights][:100] }, []string{"mem/model.safetensors: truncated: the header alone"}},
	{"gigantic header", func(t *testing.T, f files) { binary.LittleEndian.PutUint64(f[weights], 1<<63) },
		[]string{"mem/model.safetensors: header of 9223372036854775808 bytes"}},
	{"header is not UTF-8", func(t *testing.T, f files) { f[weights][10] = 0xff }, []string{"mem/model.safetensors: header is not UTF-8"}},
	{"header is not JSON", func(t *testing.T, f files) { f[weights][8] = 'x' }, []string{"mem/model.safetensors: header is not JSON"}},
	{"overlap", func(t *testing.T, f files) {
		f.editHeader(t, weights, func(h map[string]entry) {
			e := h["block.0.attn.sinks"]
			e.Offsets[0] -= 2
			e.Offsets[1] -= 2
			h["block.0.attn.sinks"] = e
		})
	}, []string{"mem/model.safetensors", `"block.0.attn.sinks" overlaps tensor "block.0.attn.qkv.bias"`}},
	{"lying length", func(t *testing.T, f files) {
		f.editHeader(t, weights, func(h map[string]entry) {
			e := h["block.1.mlp.mlp1_weight.blocks"]
			e.Offsets[1] -= 16
			h["block.1.mlp.mlp1_weight.blocks"] = e
		})
	}, []string{`tensor "block.1.mlp.mlp1_weight.blocks": U8[3 64 2 16] takes 6144 bytes, data_offsets give it 6128`}},
	{"overflowing shape", func(t *testing.T, f files) {
		f.editHeader(t, weights, func(h map[string]entry) {
			e := h["block.1.mlp.mlp2_weight.scales"]
			e.Shape = []int64{1 << 40, 1 << 40}
			h["block.1.mlp.mlp2_weight.scales"] = e
		})
	}, []string{`tensor "block.1.mlp.mlp2_weight.scales"`, "larger than any file"}},
	{"wrong dtype", func(t *testing.T, f files) {
		f.editHeader(t, weights, func(h map[string]entry) {
			e := h["block.0.mlp.mlp1_bias"]
			e.DType = "F16"
			h["block.0.mlp.mlp1_bias"] = e
		})
	}, []string{"mem/model.safetensors", `"block.0.mlp.mlp1_bias" is F16[3 64], expected BF16[3 64]`}},
	{"wrong shape", func(t *testing.T, f files) {
		f.editHeader(t, weights, func(h map[string]entry) {
			e := h["block.0.mlp.mlp2_weight.blocks"]
			e.Shape = []int64{3, 32, 2, 16}
			h["block.0.mlp.mlp2_weight.blocks"] = e
		})
	}, []string{`"block.0.mlp.mlp2_weight.blocks" is U8[3 32 2 16], expected U8[3 64 1 16]`}},
	{"scalar for a vector", func(t *testing.T, f files) {
		f.editHeader(t, weights, func(h map[string]entry) {
			e := h["norm.scale"]
			e.Shape, e.Offsets[1] = nil, e.Offsets[0]+2
			h["norm.scale"] = e
		})
	}, []string{`"norm.scale" is BF16[], expected BF16[64]`}},
	{"missing tensor", func(t *testing.T, f files) { f.replaceName(t, weights, "norm.scale", "norm.other") },
		[]string{`mem: tensor "norm.scale" is missing, expected BF16[64]`}},
	{"two missing tensors", func(t *testing.T, f files) {
		f.replaceName(t, weights, "norm.scale", "a")
		f.replaceName(t, weights, "unembedding.weight", "b")
	}, []string{`"norm.scale" is missing`, "and 1 more; `expertfs check` lists them"}},
	{"another model", func(t *testing.T, f files) {
		f[weights] = shardOf(t, []safetensors.Tensor{{Name: "wte.weight", DType: "F32", Shape: []int64{4}}})
	}, []string{"mem: no tensor is named as in GPT-OSS"}},
	{"twice the same tensor in two files", func(t *testing.T, f files) {
		f["other.safetensors"] = shardOf(t, []safetensors.Tensor{{Name: "norm.scale", DType: "BF16", Shape: []int64{64}}})
	}, []string{`mem/other.safetensors: tensor "norm.scale" is in model.safetensors as well`}},
	{"dequantised, OpenAI's names", func(t *testing.T, f files) {
		f.replaceName(t, weights, "block.1.mlp.mlp1_weight.blocks", "block.1.mlp.mlp1_weight")
	}, []string{"mem/model.safetensors", "block.1.mlp.mlp1_weight", "not MXFP4", "use the checkpoint as published"}},
}

// hfShards lists what can go wrong with a sharded Hugging Face checkpoint.
var hfShards = []damage{
	{"index is garbage", func(t *testing.T, f files) { f[layout.IndexName] = []byte("{") }, []string{"mem/model.safetensors.index.json: not the JSON of an index"}},
	{"index without a map", func(t *testing.T, f files) { f[layout.IndexName] = []byte("{}") }, []string{"weight_map is missing or empty"}},
	{"index is huge", func(t *testing.T, f files) { f[layout.IndexName] = make([]byte, 32<<20+1) }, []string{"larger than 33554432 bytes"}},
	{"absent shard", func(t *testing.T, f files) { delete(f, "partb.safetensors") },
		[]string{"mem/model.safetensors.index.json: names shard partb.safetensors, which is not there: download it"}},
	{"two absent shards", func(t *testing.T, f files) { delete(f, "parta.safetensors"); delete(f, "partb.safetensors") },
		[]string{"parta.safetensors", "and 1 more"}},
	{"shard outside the folder", func(t *testing.T, f files) {
		f.editIndex(t, func(m map[string]string) { m["lm_head.weight"] = "../partb.safetensors" })
	}, []string{`names shard "../partb.safetensors"`, "of the same folder"}},
	{"shard of another kind", func(t *testing.T, f files) {
		f.editIndex(t, func(m map[string]string) { m["lm_head.weight"] = "pytorch_model.bin" })
	}, []string{`names shard "pytorch_model.bin"`}},
	{"missing index entry", func(t *testing.T, f files) {
		f.editIndex(t, func(m map[string]string) { delete(m, "lm_head.weight") })
	}, []string{`mem/model.safetensors.index.json: no entry for tensor "lm_head.weight"`, "download the index again"}},
	{"wrong index entry", func(t *testing.T, f files) {
		f.editIndex(t, func(m map[string]string) { m["model.embed_tokens.weight"] = "partb.safetensors" })
	}, []string{`places tensor "model.embed_tokens.weight" in partb.safetensors, but it is in parta.safetensors`}},
	{"shard lacks a tensor", func(t *testing.T, f files) {
		f.replaceName(t, "parta.safetensors", "model.embed_tokens.weight", "x")
	}, []string{`mem/parta.safetensors: tensor "model.embed_tokens.weight" is missing, expected BF16[40 64]`}},
	{"truncated shard", func(t *testing.T, f files) {
		f["partb.safetensors"] = f["partb.safetensors"][:len(f["partb.safetensors"])-10]
	}, []string{"mem/partb.safetensors: truncated"}},
	{"shard of another model", func(t *testing.T, f files) { f["partb.safetensors"] = f["parta.safetensors"] },
		[]string{"mem/partb.safetensors: tensor", "is in parta.safetensors as well"}},
	{"one layer more", func(t *testing.T, f files) {
		f.editJSON(t, layout.ConfigName, map[string]any{"num_hidden_layers": 1, "layer_types": nil})
	}, []string{"num_hidden_layers is 1", "model.layers.1."}},
	{"wrong split of heads", func(t *testing.T, f files) {
		f.editJSON(t, layout.ConfigName, map[string]any{"num_key_value_heads": 4})
	},
		[]string{`k_proj.weight" is BF16[12 64], expected BF16[24 64]`}},
	{"dequantised", func(t *testing.T, f files) {
		for _, part := range []string{"parta.safetensors", "partb.safetensors"} {
			f.editHeader(t, part, func(h map[string]entry) {
				for name, e := range h {
					if name == "model.layers.0.mlp.experts.gate_up_proj_blocks" {
						delete(h, name)
						h["model.layers.0.mlp.experts.gate_up_proj"] = e
					}
				}
			})
		}
	}, []string{"model.layers.0.mlp.experts.gate_up_proj", "not MXFP4", "dequantised export"}},
	{"dequantised, experts apart", func(t *testing.T, f files) {
		f.replaceName(t, "parta.safetensors", "model.embed_tokens.weight", "model.layers.0.mlp.experts.gate_up_projs.0.weight")
	}, []string{"not MXFP4"}},
}

func TestDamage(t *testing.T) {
	run := func(layout string, sound files, cases []damage) {
		for _, d := range cases {
			t.Run(layout+"/"+d.name, func(t *testing.T) {
				f := sound.clone()
				d.spoil(t, f)
				_, err := f.open()
				require.Error(t, err)
				oneLine(t, err)
				for _, want := range d.want {
					require.ErrorContains(t, err, want)
				}
			})
		}
	}
	run("openai", sample(t, layout.OpenAI, 1), singleFile)
	run("huggingface", sample(t, layout.HuggingFace, 2), hfShards)
}

func TestProblemsAreListed(t *testing.T) {
	f := sample(t, layout.OpenAI, 1)
	f.editJSON(t, layout.ConfigName, map[string]any{"num_hidden_layers": 3, "vocab_size": 41})
	_, err := f.open()
	var list *ProblemsError
	require.ErrorAs(t, err, &list)
	require.Len(t, list.Problems, 1+15+2) // the sizes, a layer's tensors, and the two with the vocabulary's size
	require.ErrorContains(t, list.Problems[0], "says vocab_size 41, num_hidden_layers 3, but the weights have 40, 2")
	require.ErrorContains(t, list.Problems[1], `"embedding.weight" is BF16[40 64], expected BF16[41 64] by config.json`)
	for _, p := range list.Problems {
		oneLine(t, p)
		require.True(t, errors.Is(err, p), fmt.Sprint(p))
	}
}
