package checkpoint

import (
	"fmt"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/mxfp4"
	"expertfs/checkpoint/safetensors"
)

// Layout is the naming and grouping of a checkpoint's tensors.
type Layout int

// The published layouts.
const (
	OpenAI      Layout = iota // block.N.attn.qkv.weight
	HuggingFace               // model.layers.N.self_attn.{q,k,v}_proj.weight
)

// String returns "openai" or "huggingface".
func (l Layout) String() string {
	if l == HuggingFace {
		return "huggingface"
	}
	return "openai"
}

// ParseLayout is the inverse of String; it takes "hf" as well.
func ParseLayout(name string) (Layout, error) {
	switch name {
	case "openai":
		return OpenAI, nil
	case "huggingface", "hf":
		return HuggingFace, nil
	}
	return 0, fmt.Errorf("unknown layout %q: known are openai and huggingface", name)
}

// part is one tensor of the model under its OpenAI name, without the layer.
type part struct {
	name  string
	dtype string
	shape []int64
	rows  []int64 // how Hugging Face cuts the first dimension; nil for one tensor
}

// expertPrefix is what tensors of experts are called under in a checkpoint and
// not in an expert's own file.
const expertPrefix = "mlp."

// embeddingPart is the one tensor of dense/embedding.
func embeddingPart(c *config.Config) part {
	return part{name: "embedding.weight", dtype: "BF16", shape: shape(c.Vocab, c.Hidden)}
}

// unembeddingParts are what comes after the last layer.
func unembeddingParts(c *config.Config) []part {
	return []part{
		{name: "norm.scale", dtype: "BF16", shape: shape(c.Hidden)},
		{name: "unembedding.weight", dtype: "BF16", shape: shape(c.Vocab, c.Hidden)},
	}
}

// denseParts are the tensors of a layer outside its experts.
func denseParts(c *config.Config) []part {
	q, kv := int64(c.Heads*c.HeadDim), int64(c.KVHeads*c.HeadDim)
	rows := []int64{q, kv, kv}
	return []part{
		{name: "attn.norm.scale", dtype: "BF16", shape: shape(c.Hidden)},
		{name: "attn.qkv.weight", dtype: "BF16", shape: shape(c.QKVRows(), c.Hidden), rows: rows},
		{name: "attn.qkv.bias", dtype: "BF16", shape: shape(c.QKVRows()), rows: rows},
		{name: "attn.sinks", dtype: "BF16", shape: shape(c.Heads)},
		{name: "attn.out.weight", dtype: "BF16", shape: shape(c.Hidden, c.Heads*c.HeadDim)},
		{name: "attn.out.bias", dtype: "BF16", shape: shape(c.Hidden)},
		{name: "mlp.norm.scale", dtype: "BF16", shape: shape(c.Hidden)},
		{name: "mlp.gate.weight", dtype: "BF16", shape: shape(c.Experts, c.Hidden)},
		{name: "mlp.gate.bias", dtype: "BF16", shape: shape(c.Experts)},
	}
}

// expertParts are the tensors of one expert, in the order of its file: the
// large ones first, so that they begin on a page.
func expertParts(c *config.Config) []part {
	h, i := c.Hidden, c.Intermediate
	return []part{
		{name: "mlp1_weight.blocks", dtype: "U8", shape: shape(2*i, h/mxfp4.BlockLen, mxfp4.BlockBytes)},
		{name: "mlp2_weight.blocks", dtype: "U8", shape: shape(h, i/mxfp4.BlockLen, mxfp4.BlockBytes)},
		{name: "mlp1_weight.scales", dtype: "U8", shape: shape(2*i, h/mxfp4.BlockLen)},
		{name: "mlp2_weight.scales", dtype: "U8", shape: shape(h, i/mxfp4.BlockLen)},
		{name: "mlp1_bias", dtype: "BF16", shape: shape(2 * i)},
		{name: "mlp2_bias", dtype: "BF16", shape: shape(h)},
	}
}

// stacked is the tensor of a checkpoint that holds the part p of all experts.
func stacked(c *config.Config, p part) part {
	return part{name: expertPrefix + p.name, dtype: p.dtype, shape: append(shape(c.Experts), p.shape...)}
}

// shape makes a tensor's shape of a config's counts.
func shape(dims ...int) []int64 {
	s := make([]int64, len(dims))
	for i, d := range dims {
		s[i] = int64(d)
	}
	return s
}

// noLayer stands for the layer of tensors that belong to none.
const noLayer = -1

// huggingFaceNames maps OpenAI's names to Hugging Face's.
var huggingFaceNames = map[string][]string{
	"embedding.weight":       {"model.embed_tokens.weight"},
	"norm.scale":             {"model.norm.weight"},
	"unembedding.weight":     {"lm_head.weight"},
	"attn.norm.scale":        {"input_layernorm.weight"},
	"attn.qkv.weight":        {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"},
	"attn.qkv.bias":          {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"},
	"attn.sinks":             {"self_attn.sinks"},
	"attn.out.weight":        {"self_attn.o_proj.weight"},
	"attn.out.bias":          {"self_attn.o_proj.bias"},
	"mlp.norm.scale":         {"post_attention_layernorm.weight"},
	"mlp.gate.weight":        {"mlp.router.weight"},
	"mlp.gate.bias":          {"mlp.router.bias"},
	"mlp.mlp1_weight.blocks": {"mlp.experts.gate_up_proj_blocks"},
	"mlp.mlp1_weight.scales": {"mlp.experts.gate_up_proj_scales"},
	"mlp.mlp1_bias":          {"mlp.experts.gate_up_proj_bias"},
	"mlp.mlp2_weight.blocks": {"mlp.experts.down_proj_blocks"},
	"mlp.mlp2_weight.scales": {"mlp.experts.down_proj_scales"},
	"mlp.mlp2_bias":          {"mlp.experts.down_proj_bias"},
}

// layerPrefix begins the names of a layer's tensors.
func (l Layout) layerPrefix(layer int) string {
	if l == HuggingFace {
		return fmt.Sprintf("model.layers.%d.", layer)
	}
	return fmt.Sprintf("block.%d.", layer)
}

// Tensor is a tensor that a checkpoint has to have.
type Tensor struct {
	Name  string // in the checkpoint
	DType string
	Shape []int64

	Part  string // OpenAI's name of the tensor that it is or is cut from
	Begin int64  // the byte of Part at which it begins
}

// tensors returns the checkpoint's tensors that make up p, in row order.
func (l Layout) tensors(layer int, p part) []Tensor {
	whole := p.name
	prefix := ""
	if layer != noLayer {
		whole, prefix = OpenAI.layerPrefix(layer)+p.name, l.layerPrefix(layer)
	}
	if l == OpenAI {
		return []Tensor{{whole, p.dtype, p.shape, whole, 0}}
	}
	names := huggingFaceNames[p.name]
	if len(names) == 1 {
		return []Tensor{{prefix + names[0], p.dtype, p.shape, whole, 0}}
	}
	var ts []Tensor
	var begin int64
	for i, name := range names {
		s := append([]int64{p.rows[i]}, p.shape[1:]...)
		ts = append(ts, Tensor{prefix + name, p.dtype, s, whole, begin})
		length, _ := safetensors.ByteLen(p.dtype, s) // validated configs have no shapes that fail
		begin += length
	}
	return ts
}

// Tensors returns every tensor that a checkpoint of this config has in this
// layout, layer by layer.
func Tensors(c *config.Config, l Layout) []Tensor {
	ts := l.tensors(noLayer, embeddingPart(c))
	for layer := range c.Layers {
		for _, p := range denseParts(c) {
			ts = append(ts, l.tensors(layer, p)...)
		}
		for _, p := range expertParts(c) {
			ts = append(ts, l.tensors(layer, stacked(c, p))...)
		}
	}
	for _, p := range unembeddingParts(c) {
		ts = append(ts, l.tensors(noLayer, p)...)
	}
	return ts
}
