package synth

import (
	"math"
	"strings"

	"expertfs/checkpoint/config"
)

// Spread of the router's weights and biases. The ratio sets how uneven the
// experts are used: about 4.3 bits of entropy for top-4 of 32, where the
// published 20b model has about as much and 5 bits are uniform.
const (
	gateStd     = 1.5
	gateBiasStd = 0.7 * gateStd
)

// contents returns the stream of bytes of one tensor, by OpenAI's name.
//
// Norms bring the input of every projection to a mean square of 1, and weights
// with a standard deviation of 1/sqrt(inputs) keep it. What a block adds to the
// residual stream is scaled down by the number of blocks, so that their sum is
// about as large as the embedding.
func contents(c *config.Config, seed uint64, tensor string) words {
	key := streamKey(seed, tensor)
	hidden, inner := float64(c.Hidden), float64(c.Intermediate)
	depth := math.Sqrt(2 * float64(c.Layers))
	name := tensor
	if after, ok := strings.CutPrefix(tensor, "block."); ok {
		_, name, _ = strings.Cut(after, ".")
	}
	switch name {
	case "embedding.weight":
		return normal(key, 0, 1)
	case "unembedding.weight":
		return normal(key, 0, 3/math.Sqrt(hidden))
	case "norm.scale", "attn.norm.scale", "mlp.norm.scale":
		return normal(key, 1, 0.1)
	case "attn.qkv.weight":
		return normal(key, 0, 1/math.Sqrt(hidden))
	case "attn.qkv.bias", "mlp.mlp1_bias":
		return normal(key, 0, 0.1)
	case "attn.sinks":
		return normal(key, 0, 1)
	case "attn.out.weight":
		return normal(key, 0, attentionGain/math.Sqrt(float64(c.Heads*c.HeadDim))/depth)
	case "attn.out.bias", "mlp.mlp2_bias":
		return normal(key, 0, 0.1/depth)
	case "mlp.gate.weight":
		return normal(key, 0, gateStd/math.Sqrt(hidden))
	case "mlp.gate.bias":
		return normal(key, 0, gateBiasStd)
	case "mlp.mlp1_weight.scales":
		return scales(key, exponent(1/math.Sqrt(hidden)))
	case "mlp.mlp2_weight.scales":
		return scales(key, exponent(expertGain/math.Sqrt(inner)/depth))
	case "mlp.mlp1_weight.blocks", "mlp.mlp2_weight.blocks":
		return uniform(key)
	}
	panic("synth: no contents for tensor " + tensor)
}

// Gains that make up for what lies before a projection: attention averages
// values away, and experts are averaged by their weights.
const (
	attentionGain = 2
	expertGain    = 2
)

// exponent returns the power of two that gives MXFP4 weights of uniform codes
// a standard deviation near std.
func exponent(std float64) int {
	return int(math.Round(math.Log2(std / (codesRMS * scalesRMS))))
}
