package synth

import (
	"math"
	"strings"

	"expertfs/checkpoint/config"
)

// The constants below were chosen by running such models: with them the 24 layers
// of one use their experts with an entropy of 4.2 bits (5 are uniform), choose
// 45% of a token's experts again for the next token, and 29% for the 64th after
// it. The published 20b model does so with 4.0 bits, 45% and 32%.
const (
	// The router's weights and biases: the ratio sets how uneven the experts'
	// shares are over a long text.
	gateStd     = 1.5
	gateBiasStd = 0.7 * gateStd

	// A bias that all queries and keys share. The rotary embedding turns it away with
	// distance, so that a token attends to the ones just before it. What attention
	// adds thus changes slowly from token to token, and the experts with it.
	localBias = 1.5

	// Queries and keys are small, lest their products outweigh the bias. The values
	// are as small, and attention averages them; its gain makes up for both.
	qkvStd        = 0.5
	attentionGain = 10

	// Experts' outputs are averaged as well, by the weights of the router.
	expertGain = 2
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
		return normal(key, 0, qkvStd/math.Sqrt(hidden))
	case "attn.qkv.bias":
		queriesAndKeys := uint64(c.HeadDim*(c.Heads+c.KVHeads)) / bfloat16sInWord
		return joined(normal(key, localBias, 0.1), queriesAndKeys, normal(key, 0, 0.1))
	case "mlp.mlp1_bias":
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

// exponent returns the power of two that gives MXFP4 weights of uniform codes
// a standard deviation near std.
func exponent(std float64) int {
	return int(math.Round(math.Log2(std / (codesRMS * scalesRMS))))
}
