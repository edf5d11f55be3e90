package config

import (
	"errors"
	"fmt"
	"math"

	"expertfs"
)

// Upper bounds of the dimensions, beside the contract's of layers and experts.
// They are far above any model, and keep the product of any four of them within
// an int64.
const (
	maxWidth   = 1 << 17 // of a vector: hidden, intermediate, heads
	maxVocab   = 1 << 24
	maxContext = 1 << 30 // positions
)

// Validate returns an error that names the first value out of bounds.
func (c *Config) Validate() error {
	for _, v := range []struct {
		name  string
		value int
		limit int
	}{
		{"num_hidden_layers", c.Layers, expertfs.MaxLayers},
		{"number of experts", c.Experts, expertfs.MaxExperts},
		{"experts_per_token", c.TopK, expertfs.MaxExperts},
		{"hidden_size", c.Hidden, maxWidth},
		{"intermediate_size", c.Intermediate, maxWidth},
		{"vocab_size", c.Vocab, maxVocab},
		{"head_dim", c.HeadDim, maxWidth},
		{"num_attention_heads", c.Heads, maxWidth},
		{"num_key_value_heads", c.KVHeads, maxWidth},
		{"sliding_window", c.Window, maxContext},
		{"initial context length", c.Rope.InitialContext, maxContext},
	} {
		if v.value < 1 || v.value > v.limit {
			return fmt.Errorf("%s is %d, expected 1 to %d", v.name, v.value, v.limit)
		}
	}
	switch {
	case c.Layers*c.Experts > expertfs.MaxTotal:
		return fmt.Errorf("%d layers of %d experts are more than %d experts", c.Layers, c.Experts, expertfs.MaxTotal)
	case c.TopK > c.Experts:
		return fmt.Errorf("experts_per_token is %d, but there are %d experts", c.TopK, c.Experts)
	case c.Hidden%32 != 0:
		return fmt.Errorf("hidden_size is %d, expected a multiple of 32 (the block of MXFP4)", c.Hidden)
	case c.Intermediate%32 != 0:
		return fmt.Errorf("intermediate_size is %d, expected a multiple of 32 (the block of MXFP4)", c.Intermediate)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head_dim is %d, expected an even number", c.HeadDim)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("num_attention_heads is %d, expected a multiple of num_key_value_heads, %d", c.Heads, c.KVHeads)
	case c.HeadDim*(c.Heads+2*c.KVHeads) > maxVocab:
		return fmt.Errorf("%d heads of %d make a projection wider than %d", c.Heads, c.HeadDim, maxVocab)
	}
	for _, id := range c.EOS {
		if id < 0 {
			return fmt.Errorf("eos_token_id is %d, expected a token id", id)
		}
	}
	return c.validateConstants()
}

// validateConstants checks the numbers that are not counts.
func (c *Config) validateConstants() error {
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"rms_norm_eps", c.RMSEps},
		{"swiglu_limit", c.SwigluLimit},
		{"swiglu_alpha", c.SwigluAlpha},
		{"rope beta_slow (rope_ntk_alpha)", c.Rope.Alpha},
		{"rope beta_fast (rope_ntk_beta)", c.Rope.Beta},
	} {
		if !(v.value > 0) || math.IsInf(v.value, 0) {
			return fmt.Errorf("%s is %v, expected a positive number", v.name, v.value)
		}
	}
	switch {
	case !(c.Rope.Theta > 1) || math.IsInf(c.Rope.Theta, 0):
		return fmt.Errorf("rope_theta is %v, expected a number above 1", c.Rope.Theta)
	case !(c.Rope.Factor >= 1) || math.IsInf(c.Rope.Factor, 0):
		return fmt.Errorf("rope scaling factor is %v, expected 1 or more", c.Rope.Factor)
	case c.Rope.Beta <= c.Rope.Alpha:
		return errors.New("rope beta_fast (rope_ntk_beta) must be larger than beta_slow (rope_ntk_alpha)")
	}
	return nil
}
