package gguf

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"expertfs/checkpoint/config"
)

// Architectures of the two dialects.
const (
	llamaCpp = "gpt-oss"
	ollama   = "gptoss"
)

// parameters reads the hyperparameters of a model, keeping the first error.
type parameters struct {
	m    metadata
	arch string
	err  error
}

// readConfig makes a config of the metadata. The size of the vocabulary is that
// of the embedding.
func readConfig(m metadata, vocab int) (*config.Config, error) {
	arch, ok, err := get[string](m, "general.architecture")
	switch {
	case err != nil || !ok:
		return nil, errors.Join(err, missing(ok, "general.architecture"))
	case arch != llamaCpp && arch != ollama:
		return nil, fmt.Errorf("architecture %q, expected %q or %q", arch, llamaCpp, ollama)
	}
	p := &parameters{m: m, arch: arch}
	inner := "expert_feed_forward_length"
	if _, ok := m[p.key(inner)]; !ok {
		inner = "feed_forward_length" // of older files
	}
	c := &config.Config{
		Layers: p.count("block_count"), Experts: p.count("expert_count"), TopK: p.count("expert_used_count"),
		Hidden: p.count("embedding_length"), Intermediate: p.count(inner), Vocab: vocab,
		HeadDim: p.count("attention.key_length"), Heads: p.count("attention.head_count"), KVHeads: p.count("attention.head_count_kv"),
		Window:      p.count("attention.sliding_window"),
		RMSEps:      p.number("attention.layer_norm_rms_epsilon", 1e-5),
		SwigluLimit: 7, SwigluAlpha: 1.702, // no keys say otherwise
		Rope: config.Rope{
			Theta: p.number("rope.freq_base", math.NaN()), Factor: p.number("rope.scaling.factor", math.NaN()),
			Alpha: p.number("rope.scaling.yarn_beta_slow", 1), Beta: p.number("rope.scaling.yarn_beta_fast", 32),
			InitialContext: p.count("rope.scaling.original_context_length"),
		},
	}
	p.refuse(c)
	if p.err != nil {
		return nil, p.err
	}
	c.EOS = endTokens(m)
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("by the metadata, %w", err)
	}
	c.SetLayers(c.Layers)
	return c, p.sliding(c)
}

func (p *parameters) key(name string) string { return p.arch + "." + name }

// fail notes the first error.
func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// count reads a whole number, or an array that has it for every layer.
func (p *parameters) count(name string) int {
	switch v := p.m[p.key(name)].(type) {
	case int64:
		if v >= 0 && v <= math.MaxInt32 {
			return int(v)
		}
		p.fail("metadata key %q is %d, out of range", p.key(name), v)
	case []int64:
		for _, n := range v {
			if n != v[0] || n < 0 || n > math.MaxInt32 {
				p.fail("metadata key %q differs between layers, which is not computed here", p.key(name))
				return 0
			}
		}
		if len(v) > 0 {
			return int(v[0])
		}
		p.fail("metadata key %q is empty", p.key(name))
	case nil:
		p.fail("metadata key %q is missing", p.key(name))
	default:
		p.fail("metadata key %q is no whole number", p.key(name))
	}
	return 0
}

// number reads a number, or returns the default; NaN for one that is required.
func (p *parameters) number(name string, def float64) float64 {
	switch v := p.m[p.key(name)].(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case nil:
		if math.IsNaN(def) {
			p.fail("metadata key %q is missing", p.key(name))
		}
		return def
	}
	p.fail("metadata key %q is no number", p.key(name))
	return 0
}

// neutral are numbers that change the computation unless they have these values.
var neutral = map[string]float64{
	"rope.scaling.attn_factor":      1,
	"rope.scaling.yarn_attn_factor": 1,
	"rope.scaling.yarn_ext_factor":  1,
	"expert_weights_scale":          1,
	"expert_shared_count":           0,
	"leading_dense_block_count":     0,
	"logit_scale":                   1,
}

// refuse refuses what is not computed, by name.
func (p *parameters) refuse(c *config.Config) {
	kind, ok, err := get[string](p.m, p.key("rope.scaling.type"))
	switch {
	case err != nil:
		p.fail("%w", err)
	case ok && kind != "yarn":
		p.fail("metadata key %q is %q, expected \"yarn\"", p.key("rope.scaling.type"), kind)
	case !ok && p.arch == llamaCpp: // whose default is another one
		p.fail("metadata key %q is missing", p.key("rope.scaling.type"))
	}
	for _, name := range slices.Sorted(maps.Keys(neutral)) {
		want := neutral[name]
		if v := p.number(name, want); v != want {
			p.fail("metadata key %q is %v, which is not computed here", p.key(name), v)
		}
	}
	// How the router's scores become weights: by a softmax, in all of its forms.
	if v := p.number("expert_gating_func", 0); v != 0 && v != 1 && v != 3 {
		p.fail("metadata key %q is %v, which is not computed here", p.key("expert_gating_func"), v)
	}
	if v := p.number("attention.scale", 0); v != 0 && math.Abs(v*v*float64(c.HeadDim)-1) > 1e-6 {
		p.fail("metadata key %q is %v, which is not computed here", p.key("attention.scale"), v)
	}
	for _, name := range []string{"rope.scaling.yarn_log_multiplier", "swiglu_clamp_exp", "swiglu_clamp_shexp", "rope.dimension_sections"} {
		if _, ok := p.m[p.key(name)]; ok {
			p.fail("metadata key %q is not computed here", p.key(name))
		}
	}
	if theta := p.number("rope.freq_base_swa", c.Rope.Theta); theta != c.Rope.Theta {
		p.fail("metadata key %q is %v, which is not computed here", p.key("rope.freq_base_swa"), theta)
	}
	for _, name := range []string{"attention.value_length", "rope.dimension_count"} {
		if _, ok := p.m[p.key(name)]; ok && p.count(name) != c.HeadDim {
			p.fail("metadata key %q is %d, but heads are %d wide", p.key(name), p.count(name), c.HeadDim)
		}
	}
}

// sliding compares the pattern of attention, where the file tells it, with the
// one that the architecture implies.
func (p *parameters) sliding(c *config.Config) error {
	key := p.key("attention.sliding_window_pattern")
	switch v := p.m[key].(type) {
	case nil:
		return nil
	case int64:
		if v == 2 {
			return nil
		}
		return fmt.Errorf("metadata key %q is %d, expected 2", key, v)
	case []bool:
		if len(v) == c.Layers {
			c.Sliding = v
			return nil
		}
		return fmt.Errorf("metadata key %q has %d values for %d layers", key, len(v), c.Layers)
	}
	return fmt.Errorf("metadata key %q is neither a number nor a list of booleans", key)
}

// endTokens are the ids that end a text; nil when the file names none.
func endTokens(m metadata) []int {
	const prefix = "tokenizer.ggml."
	if all, ok := m[prefix+"eos_token_ids"].([]int64); ok && len(all) > 0 {
		return ids(all)
	}
	if id, ok := m[prefix+"eos_token_id"].(int64); ok {
		return ids([]int64{id})
	}
	return nil
}

func ids(ns []int64) []int {
	all := make([]int, len(ns))
	for i, n := range ns {
		all[i] = int(n)
	}
	return all
}
