package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// file holds the keys of either spelling. Pointers tell an absent key from a
// zero; keys that do not bear on the computation are not read. Where a file has
// the keys of both, Hugging Face's are the live ones: published files keep
// OpenAI's beside them, which nothing reads there, even when a model derived from
// them has other values.
type file struct {
	ModelType    *string `json:"model_type"` // Hugging Face only
	Layers       *int    `json:"num_hidden_layers"`
	Experts      *int    `json:"num_experts"`
	LocalExperts *int    `json:"num_local_experts"`
	TopK         *int    `json:"experts_per_token"`
	TopKPerTok   *int    `json:"num_experts_per_tok"`
	Hidden       *int    `json:"hidden_size"`
	Intermediate *int    `json:"intermediate_size"`
	Vocab        *int    `json:"vocab_size"`
	HeadDim      *int    `json:"head_dim"`
	Heads        *int    `json:"num_attention_heads"`
	KVHeads      *int    `json:"num_key_value_heads"`
	Window       *int    `json:"sliding_window"`

	RMSEps      *float64 `json:"rms_norm_eps"`
	SwigluLimit *float64 `json:"swiglu_limit"`
	SwigluAlpha *float64 `json:"swiglu_alpha"`

	RopeTheta      *float64        `json:"rope_theta"`
	InitialContext *int            `json:"initial_context_length"`
	RopeFactor     *float64        `json:"rope_scaling_factor"` // these three: OpenAI only
	RopeAlpha      *float64        `json:"rope_ntk_alpha"`
	RopeBeta       *float64        `json:"rope_ntk_beta"`
	RopeScaling    json.RawMessage `json:"rope_scaling"`    // Hugging Face, older
	RopeParameters json.RawMessage `json:"rope_parameters"` // Hugging Face, newer

	LayerTypes []string        `json:"layer_types"`
	EOS        json.RawMessage `json:"eos_token_id"` // a number or a list
	HiddenAct  *string         `json:"hidden_act"`
	Tied       bool            `json:"tie_word_embeddings"`
}

// Parse reads a config.json of either spelling and validates it. Errors are one
// line and name the key; naming the file is left to the caller.
func Parse(text []byte) (*Config, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("not the JSON of a model config: %w", err)
	}
	if err := f.supported(); err != nil {
		return nil, err
	}
	c := &Config{
		RMSEps:      or(defaultRMSEps, f.RMSEps),
		SwigluLimit: or(defaultSwigluLimit, f.SwigluLimit),
		SwigluAlpha: or(defaultSwigluAlpha, f.SwigluAlpha),
	}
	if err := f.dimensions(c); err != nil {
		return nil, err
	}
	if err := f.rope(&c.Rope); err != nil {
		return nil, err
	}
	var err error
	if c.EOS, err = f.eos(); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Sliding, err = f.sliding(c.Layers)
	return c, err
}

// supported refuses models whose computation is not that of GPT-OSS.
func (f *file) supported() error {
	switch {
	case f.ModelType != nil && *f.ModelType != "gpt_oss":
		return fmt.Errorf("model_type is %q, expected \"gpt_oss\"", *f.ModelType)
	case f.HiddenAct != nil && *f.HiddenAct != "silu":
		return fmt.Errorf("hidden_act is %q, expected \"silu\"", *f.HiddenAct)
	case f.Tied:
		return errors.New("tie_word_embeddings is true, but GPT-OSS has an unembedding of its own")
	}
	return nil
}

// dimensions fills in the counts; all of them are required.
func (f *file) dimensions(c *Config) error {
	for _, v := range []struct {
		dst  *int
		keys string
		src  *int
	}{
		{&c.Layers, "num_hidden_layers", f.Layers},
		{&c.Experts, "num_experts (num_local_experts)", first(f.LocalExperts, f.Experts)},
		{&c.TopK, "experts_per_token (num_experts_per_tok)", first(f.TopKPerTok, f.TopK)},
		{&c.Hidden, "hidden_size", f.Hidden},
		{&c.Intermediate, "intermediate_size", f.Intermediate},
		{&c.Vocab, "vocab_size", f.Vocab},
		{&c.HeadDim, "head_dim", f.HeadDim},
		{&c.Heads, "num_attention_heads", f.Heads},
		{&c.KVHeads, "num_key_value_heads", f.KVHeads},
		{&c.Window, "sliding_window", f.Window},
	} {
		if v.src == nil {
			return fmt.Errorf("key %s is missing", v.keys)
		}
		*v.dst = *v.src
	}
	return nil
}

// eos reads the ids that end a text: absent, one number, or a list.
func (f *file) eos() ([]int, error) {
	if len(f.EOS) == 0 || string(f.EOS) == "null" {
		return nil, nil
	}
	var one int
	if json.Unmarshal(f.EOS, &one) == nil {
		return []int{one}, nil
	}
	var list []int
	if err := json.Unmarshal(f.EOS, &list); err != nil {
		return nil, errors.New("eos_token_id is neither a token id nor a list of them")
	}
	return list, nil
}

// sliding reads the kind of attention of each layer.
func (f *file) sliding(layers int) ([]bool, error) {
	if f.LayerTypes == nil {
		return alternate(layers), nil
	}
	if len(f.LayerTypes) != layers {
		return nil, fmt.Errorf("layer_types has %d entries, but there are %d layers", len(f.LayerTypes), layers)
	}
	sliding := make([]bool, layers)
	for i, kind := range f.LayerTypes {
		switch kind {
		case "sliding_attention":
			sliding[i] = true
		case "full_attention":
		default:
			return nil, fmt.Errorf("layer_types has %q for layer %d, expected \"sliding_attention\" or \"full_attention\"", kind, i)
		}
	}
	return sliding, nil
}

// first returns the first pointer that is not nil, or nil.
func first[T any](ps ...*T) *T {
	for _, p := range ps {
		if p != nil {
			return p
		}
	}
	return nil
}

// or returns *p, or the default when p is nil.
func or[T any](def T, p *T) T {
	if p == nil {
		return def
	}
	return *p
}
