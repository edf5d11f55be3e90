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

	// LocalBias is a bias that all queries and keys share. The rotary embedding turns it away with
	// distance, so that a token attends to the ones just before it. What attention
	// adds thus changes slowly from token to token, and the experts with it.
	LocalBias = 1.5

	// Queries and keys are small, lest their products outweigh the bias. The values
	// are as small, and attention averages them; its gain makes up for both.
	qkvStd        = 0.5
	attentionGain = 10

	// Experts' outputs are averaged as well, by the weights of the router.
	expertGain = 2
)

// Moments are the mean and the standard deviation of the weights of one kind of tensor,
// by OpenAI's name without the block; of experts those of the values, not of their
// codes. Queries and keys have LocalBias added to their biases. Whoever draws weights so
// has a model that routes as one of this package does.
//
// Norms bring the input of every projection to a mean square of 1, and weights
// with a standard deviation of 1/sqrt(inputs) keep it. What a block adds to the
// residual stream is scaled down by the number of blocks, so that their sum is
// about as large as the embedding.
func Moments(c *config.Config, kind string) (mean, deviation float64) {
	hidden, inner := float64(c.Hidden), float64(c.Intermediate)
	depth := math.Sqrt(2 * float64(c.Layers))
	switch kind {
	case "embedding.weight", "attn.sinks":
		return 0, 1
	case "unembedding.weight":
		return 0, 3 / math.Sqrt(hidden)
	case "norm.scale", "attn.norm.scale", "mlp.norm.scale":
		return 1, 0.1
	case "attn.qkv.weight":
		return 0, qkvStd / math.Sqrt(hidden)
	case "attn.qkv.bias", "mlp.mlp1_bias":
		return 0, 0.1
	case "attn.out.weight":
		return 0, attentionGain / math.Sqrt(float64(c.Heads*c.HeadDim)) / depth
	case "attn.out.bias", "mlp.mlp2_bias":
		return 0, 0.1 / depth
	case "mlp.gate.weight":
		return 0, gateStd / math.Sqrt(hidden)
	case "mlp.gate.bias":
		return 0, gateBiasStd
	case "mlp.mlp1_weight":
		return 0, 1 / math.Sqrt(hidden)
	case "mlp.mlp2_weight":
		return 0, expertGain / math.Sqrt(inner) / depth
	}
	panic("synth: no weights of kind " + kind)
}

// contents returns the stream of bytes of one tensor, by OpenAI's name.
func contents(c *config.Config, seed uint64, tensor string) words {
	key := streamKey(seed, tensor)
	kind := tensor
	if after, ok := strings.CutPrefix(tensor, "block."); ok {
		_, kind, _ = strings.Cut(after, ".")
	}
	if strings.HasSuffix(kind, ".blocks") {
		return uniform(key)
	}
	if experts, ok := strings.CutSuffix(kind, ".scales"); ok {
		_, deviation := Moments(c, experts)
		return scales(key, exponent(deviation))
	}
	mean, deviation := Moments(c, kind)
	if kind == "attn.qkv.bias" {
		queriesAndKeys := uint64(c.HeadDim*(c.Heads+c.KVHeads)) / bfloat16sInWord
		return joined(normal(key, LocalBias, deviation), queriesAndKeys, normal(key, mean, deviation))
	}
	return normal(key, mean, deviation)
}

// exponent returns the power of two that gives MXFP4 weights of uniform codes
// a standard deviation near std.
func exponent(std float64) int {
	return int(math.Round(math.Log2(std / (codesRMS * scalesRMS))))
}
