package format

import (
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/mxfp4"
)

// NoLayer stands for the layer of tensors that belong to none.
const NoLayer = -1

// Tensor is one tensor of the model, under OpenAI's name without the layer, in
// the type in which the model is published.
type Tensor struct {
	Name  string
	DType string
	Shape []int64
}

// Embedding is the one tensor of dense/embedding.
func Embedding(c *config.Config) Tensor {
	return Tensor{"embedding.weight", "BF16", shape(c.Vocab, c.Hidden)}
}

// Unembedding are the tensors that come after the last layer.
func Unembedding(c *config.Config) []Tensor {
	return []Tensor{
		{"norm.scale", "BF16", shape(c.Hidden)},
		{"unembedding.weight", "BF16", shape(c.Vocab, c.Hidden)},
	}
}

// Dense are the tensors of a layer outside its experts.
func Dense(c *config.Config) []Tensor {
	return []Tensor{
		{"attn.norm.scale", "BF16", shape(c.Hidden)},
		{"attn.qkv.weight", "BF16", shape(c.QKVRows(), c.Hidden)},
		{"attn.qkv.bias", "BF16", shape(c.QKVRows())},
		{"attn.sinks", "BF16", shape(c.Heads)},
		{"attn.out.weight", "BF16", shape(c.Hidden, c.Heads*c.HeadDim)},
		{"attn.out.bias", "BF16", shape(c.Hidden)},
		{"mlp.norm.scale", "BF16", shape(c.Hidden)},
		{"mlp.gate.weight", "BF16", shape(c.Experts, c.Hidden)},
		{"mlp.gate.bias", "BF16", shape(c.Experts)},
	}
}

// Expert are the tensors of one expert, in the order of its file: the large
// ones first, so that they begin on a page.
func Expert(c *config.Config) []Tensor {
	h, i := c.Hidden, c.Intermediate
	return []Tensor{
		{"mlp1_weight.blocks", "U8", shape(2*i, h/mxfp4.BlockLen, mxfp4.BlockBytes)},
		{"mlp2_weight.blocks", "U8", shape(h, i/mxfp4.BlockLen, mxfp4.BlockBytes)},
		{"mlp1_weight.scales", "U8", shape(2*i, h/mxfp4.BlockLen)},
		{"mlp2_weight.scales", "U8", shape(h, i/mxfp4.BlockLen)},
		{"mlp1_bias", "BF16", shape(2 * i)},
		{"mlp2_bias", "BF16", shape(h)},
	}
}

// ExpertPrefix is what tensors of experts are called under in a checkpoint and
// not in an expert's own file.
const ExpertPrefix = "mlp."

// Stacked is the tensor of a checkpoint that holds t of all experts of a layer.
func Stacked(c *config.Config, t Tensor) Tensor {
	return Tensor{ExpertPrefix + t.Name, t.DType, append(shape(c.Experts), t.Shape...)}
}

// HeadRows are the rows of queries, keys and values in the fused projection.
func HeadRows(c *config.Config) []int64 {
	q, kv := int64(c.Heads*c.HeadDim), int64(c.KVHeads*c.HeadDim)
	return []int64{q, kv, kv}
}

// shape makes a tensor's shape of a config's counts.
func shape(dims ...int) []int64 {
	s := make([]int64, len(dims))
	for i, d := range dims {
		s[i] = int64(d)
	}
	return s
}
