package config

import (
	"encoding/json"
	"errors"
	"reflect"
)

// OpenAI returns c in the spelling of OpenAI's original checkpoints. A config
// that this spelling has no keys for is an error: it knows no token ids, no
// other pattern of layers and no other constants than the published ones.
func (c *Config) OpenAI() ([]byte, error) {
	text, err := json.MarshalIndent(map[string]any{
		"num_hidden_layers":      c.Layers,
		"num_experts":            c.Experts,
		"experts_per_token":      c.TopK,
		"vocab_size":             c.Vocab,
		"hidden_size":            c.Hidden,
		"intermediate_size":      c.Intermediate,
		"swiglu_limit":           c.SwigluLimit,
		"head_dim":               c.HeadDim,
		"num_attention_heads":    c.Heads,
		"num_key_value_heads":    c.KVHeads,
		"sliding_window":         c.Window,
		"initial_context_length": c.Rope.InitialContext,
		"rope_theta":             c.Rope.Theta,
		"rope_scaling_factor":    c.Rope.Factor,
		"rope_ntk_alpha":         c.Rope.Alpha,
		"rope_ntk_beta":          c.Rope.Beta,
	}, "", "  ")
	return c.same(text, err)
}

// HuggingFace returns c in Hugging Face's spelling.
func (c *Config) HuggingFace() ([]byte, error) {
	kinds := make([]string, len(c.Sliding))
	for i, sliding := range c.Sliding {
		kinds[i] = "full_attention"
		if sliding {
			kinds[i] = "sliding_attention"
		}
	}
	fields := map[string]any{
		"architectures":           []string{"GptOssForCausalLM"},
		"model_type":              "gpt_oss",
		"attention_bias":          true,
		"attention_dropout":       0.0,
		"experts_per_token":       c.TopK,
		"head_dim":                c.HeadDim,
		"hidden_act":              "silu",
		"hidden_size":             c.Hidden,
		"initial_context_length":  c.Rope.InitialContext,
		"intermediate_size":       c.Intermediate,
		"layer_types":             kinds,
		"max_position_embeddings": int(float64(c.Rope.InitialContext) * c.Rope.Factor),
		"num_attention_heads":     c.Heads,
		"num_experts_per_tok":     c.TopK,
		"num_hidden_layers":       c.Layers,
		"num_key_value_heads":     c.KVHeads,
		"num_local_experts":       c.Experts,
		"quantization_config": map[string]any{
			"quant_method":           "mxfp4",
			"modules_to_not_convert": []string{"model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"},
		},
		"rms_norm_eps": c.RMSEps,
		"rope_scaling": map[string]any{
			"rope_type":                        "yarn",
			"factor":                           c.Rope.Factor,
			"beta_fast":                        c.Rope.Beta,
			"beta_slow":                        c.Rope.Alpha,
			"original_max_position_embeddings": c.Rope.InitialContext,
			"truncate":                         c.Rope.Truncate,
		},
		"rope_theta":          c.Rope.Theta,
		"sliding_window":      c.Window,
		"swiglu_alpha":        c.SwigluAlpha,
		"swiglu_limit":        c.SwigluLimit,
		"tie_word_embeddings": false,
		"torch_dtype":         "bfloat16",
		"vocab_size":          c.Vocab,
	}
	if c.EOS != nil {
		fields["eos_token_id"] = c.EOS
	}
	text, err := json.MarshalIndent(fields, "", "  ")
	return c.same(text, err)
}

// same returns text if it reads back as c.
func (c *Config) same(text []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	back, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(back, c) {
		return nil, errors.New("this spelling of config.json has no keys for some of the model's values")
	}
	return append(text, '\n'), nil
}
