package layout

import (
	"fmt"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/safetensors"
)

// Layout is the naming and grouping of a checkpoint's tensors. It is a
// [format.Format].
type Layout struct {
	name   string
	prefix string // begins the names of a layer's tensors, with a verb for its number

	// What OpenAI's names become; nil for the names themselves. Where there are
	// several the tensor is cut along its first dimension, as HeadRows says.
	names map[string][]string

	// EncodeConfig writes a config.json as checkpoints of this layout have it.
	EncodeConfig func(*config.Config) ([]byte, error)
	// ShardName names file i, counted from 0, of n files with weights.
	ShardName func(i, n int) string
	// Indexed tells whether an index goes with several files.
	Indexed bool
}

// OpenAI is the layout of the folder original/ of the published repositories.
var OpenAI = &Layout{
	name:         "openai",
	prefix:       "block.%d.",
	EncodeConfig: (*config.Config).OpenAI,
	ShardName:    func(i, n int) string { return fmt.Sprintf("model--%05d-of-%05d%s", i+1, n, weightsExt) },
}

// HuggingFace is the layout of the root of the published repositories. It
// counts its files from 0 and names them by the number of the last.
var HuggingFace = &Layout{
	name:         "huggingface",
	prefix:       "model.layers.%d.",
	names:        huggingFaceNames,
	EncodeConfig: (*config.Config).HuggingFace,
	ShardName:    func(i, n int) string { return fmt.Sprintf("model-%05d-of-%05d%s", i, n-1, weightsExt) },
	Indexed:      true,
}

// layouts are all of them. The last one is who tells of weights that are none's.
var layouts = []*Layout{HuggingFace, OpenAI}

// Parse returns the layout of that name; "hf" is one of HuggingFace's.
func Parse(name string) (*Layout, error) {
	switch name {
	case OpenAI.name:
		return OpenAI, nil
	case HuggingFace.name, "hf":
		return HuggingFace, nil
	}
	return nil, fmt.Errorf("unknown layout %q: known are openai and huggingface", name)
}

// Name returns "openai" or "huggingface".
func (l *Layout) Name() string { return l.name }

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
func (l *Layout) layerPrefix(layer int) string { return fmt.Sprintf(l.prefix, layer) }

// Tensor is a tensor that a checkpoint has to have.
type Tensor struct {
	Name  string // in the checkpoint
	DType string
	Shape []int64

	Part  string // OpenAI's name of the tensor that it is or is cut from
	Begin int64  // the byte of Part at which it begins
}

// tensors returns the checkpoint's tensors that make up t, in row order.
func (l *Layout) tensors(c *config.Config, layer int, t format.Tensor) []Tensor {
	whole, prefix := t.Name, ""
	if layer != format.NoLayer {
		whole, prefix = OpenAI.layerPrefix(layer)+t.Name, l.layerPrefix(layer)
	}
	names := l.names[t.Name]
	switch len(names) {
	case 0:
		return []Tensor{{whole, t.DType, t.Shape, whole, 0}}
	case 1:
		return []Tensor{{prefix + names[0], t.DType, t.Shape, whole, 0}}
	}
	var ts []Tensor
	var begin int64
	for i, rows := range format.HeadRows(c) {
		s := append([]int64{rows}, t.Shape[1:]...)
		ts = append(ts, Tensor{prefix + names[i], t.DType, s, whole, begin})
		length, _ := safetensors.ByteLen(t.DType, s) // validated configs have no shapes that fail
		begin += length
	}
	return ts
}

// Tensors returns every tensor that a checkpoint of this config has in this
// layout, layer by layer.
func (l *Layout) Tensors(c *config.Config) []Tensor {
	ts := l.tensors(c, format.NoLayer, format.Embedding(c))
	for layer := range c.Layers {
		for _, t := range format.Dense(c) {
			ts = append(ts, l.tensors(c, layer, t)...)
		}
		for _, t := range format.Expert(c) {
			ts = append(ts, l.tensors(c, layer, format.Stacked(c, t))...)
		}
	}
	for _, t := range format.Unembedding(c) {
		ts = append(ts, l.tensors(c, format.NoLayer, t)...)
	}
	return ts
}
