package config

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const openAI = `{"num_hidden_layers": 3, "num_experts": 8, "experts_per_token": 2, "vocab_size": 512, "hidden_size": 64,
	"intermediate_size": 96, "swiglu_limit": 6.5, "head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
	"sliding_window": 8, "initial_context_length": 1024, "rope_theta": 10000.0, "rope_scaling_factor": 8.0,
	"rope_ntk_alpha": 1.5, "rope_ntk_beta": 16.0}`

// huggingFace is the same model as openAI.
const huggingFace = `{"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_act": "silu",
	"num_hidden_layers": 3, "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 512, "hidden_size": 64,
	"intermediate_size": 96, "swiglu_limit": 6.5, "head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
	"sliding_window": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false,
	"layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
	"rope_scaling": {"rope_type": "yarn", "factor": 8.0, "beta_fast": 16.0, "beta_slow": 1.5,
		"original_max_position_embeddings": 1024, "truncate": false}}`

func model() *Config {
	return &Config{
		Layers: 3, Experts: 8, TopK: 2, Hidden: 64, Intermediate: 96, Vocab: 512, HeadDim: 32, Heads: 4, KVHeads: 2,
		Window: 8, Sliding: []bool{true, false, true},
		RMSEps: 1e-5, SwigluLimit: 6.5, SwigluAlpha: 1.702,
		Rope: Rope{Theta: 10000, Factor: 8, Alpha: 1.5, Beta: 16, InitialContext: 1024},
	}
}

// edit returns a config with keys replaced; a nil value removes the key.
func edit(t *testing.T, text string, changes map[string]any) []byte {
	t.Helper()
	var keys map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &keys))
	maps.Copy(keys, changes)
	maps.DeleteFunc(keys, func(_ string, v any) bool { return v == nil })
	out, err := json.Marshal(keys)
	require.NoError(t, err)
	return out
}

func TestParseBothSpellings(t *testing.T) {
	for _, text := range []string{openAI, huggingFace} {
		c, err := Parse([]byte(text))
		require.NoError(t, err)
		require.Equal(t, model(), c)
		require.Equal(t, 32*(4+2*2), c.QKVRows())
	}
}

func TestParseNewerHuggingFace(t *testing.T) {
	c, err := Parse(edit(t, huggingFace, map[string]any{
		"rope_scaling": nil,
		"rope_theta":   nil,
		"rope_parameters": map[string]any{"rope_type": "yarn", "rope_theta": 5000, "factor": 4, "beta_fast": 32,
			"beta_slow": 1, "original_max_position_embeddings": 256, "truncate": false},
		"swiglu_alpha": 1.5,
		"rms_norm_eps": 1e-6,
		"dtype":        "bfloat16",
		"eos_token_id": []int{7, 9},
		"layer_types":  []string{"full_attention", "full_attention", "sliding_attention"},
	}))
	require.NoError(t, err)
	want := model()
	want.Rope = Rope{Theta: 5000, Factor: 4, Alpha: 1, Beta: 32, InitialContext: 256}
	want.SwigluAlpha, want.RMSEps = 1.5, 1e-6
	want.EOS, want.Sliding = []int{7, 9}, []bool{false, false, true}
	require.Equal(t, want, c)
}

// yarnDictionary is that of the published models.
func yarnDictionary(changes map[string]any) map[string]any {
	d := map[string]any{"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
		"original_max_position_embeddings": 4096, "truncate": false}
	maps.Copy(d, changes)
	maps.DeleteFunc(d, func(_ string, v any) bool { return v == "absent" })
	return d
}

func TestParseRopeDictionary(t *testing.T) {
	published := Rope{Theta: 10000, Factor: 32, Alpha: 1, Beta: 32, InitialContext: 4096}
	truncated := published
	truncated.Truncate = true
	for name, c := range map[string]struct {
		changes map[string]any
		want    Rope
		err     string
	}{
		"published":              {nil, published, ""},
		"without truncate":       {map[string]any{"truncate": "absent"}, truncated, ""},
		"truncate null":          {map[string]any{"truncate": nil}, truncated, ""},
		"truncate true":          {map[string]any{"truncate": true}, truncated, ""},
		"the older name":         {map[string]any{"rope_type": "absent", "type": "yarn"}, published, ""},
		"mscale null":            {map[string]any{"mscale": nil}, published, ""},
		"attention_factor null":  {map[string]any{"attention_factor": nil}, published, ""},
		"attention_factor as is": {map[string]any{"attention_factor": 1.3465735902799727}, published, ""},
		"attention_factor":       {map[string]any{"attention_factor": 1.0}, Rope{}, "rope_scaling: attention_factor is 1"},
		"no type":                {map[string]any{"rope_type": "absent"}, Rope{}, "rope_scaling: rope_type is missing"},
		"another type":           {map[string]any{"rope_type": "linear"}, Rope{}, `rope_scaling: rope_type is "linear", expected "yarn"`},
		"another type, old name": {map[string]any{"rope_type": "absent", "type": "dynamic"}, Rope{}, `rope_type is "dynamic"`},
		"mscale":                 {map[string]any{"mscale": 1.0}, Rope{}, "rope_scaling: has mscale, which is not computed"},
		"mscale_all_dim":         {map[string]any{"mscale_all_dim": 1.0}, Rope{}, "has mscale_all_dim"},
		"partial_rotary_factor":  {map[string]any{"partial_rotary_factor": 0.5}, Rope{}, "has partial_rotary_factor"},
		"context of another key": {map[string]any{"original_max_position_embeddings": "absent"}, Rope{}, "original_max_position_embeddings"},
		"factor of another key":  {map[string]any{"factor": "absent"}, Rope{}, "key factor"},
		"factor is no number":    {map[string]any{"factor": "x"}, Rope{}, "rope_scaling: json"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(edit(t, huggingFace, map[string]any{
				"rope_scaling": yarnDictionary(c.changes), "initial_context_length": 777, "rope_scaling_factor": 5,
			}))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Rope)
		})
	}
	_, err := Parse(edit(t, huggingFace, map[string]any{"rope_scaling": []int{1}}))
	require.ErrorContains(t, err, "rope_scaling: expected an object")
	both := map[string]any{"rope_scaling": yarnDictionary(nil), "rope_parameters": yarnDictionary(nil)}
	c, err := Parse(edit(t, huggingFace, both))
	require.NoError(t, err)
	require.Equal(t, published, c.Rope)
	both["rope_parameters"] = yarnDictionary(map[string]any{"factor": 8})
	_, err = Parse(edit(t, huggingFace, both))
	require.ErrorContains(t, err, "rope_scaling and rope_parameters differ")
}

func TestLiveKeysBeatLeftovers(t *testing.T) {
	c, err := Parse(edit(t, huggingFace, map[string]any{"num_experts": 32, "experts_per_token": 4}))
	require.NoError(t, err)
	require.Equal(t, model(), c)
}

func TestRopeBounds(t *testing.T) {
	r := Rope{Theta: 150000, Factor: 32, Alpha: 1, Beta: 32, InitialContext: 4096}
	bounds := func() []float64 {
		low, high := r.Bounds(64)
		return []float64{low, high}
	}
	require.InDeltaSlice(t, []float64{8.092779115512402, 17.39802450158856}, bounds(), 1e-12) // of the published models
	r.Truncate = true
	require.Equal(t, []float64{8, 18}, bounds())
	r.InitialContext = 100
	require.Equal(t, []float64{0, 8}, bounds(), "the first one lies before the first frequency")
	r.InitialContext = 6
	require.Equal(t, []float64{0, 0.001}, bounds(), "both lie there")
	r.Theta, r.InitialContext, r.Truncate = 1.5, 1<<30, false
	require.Equal(t, 63.0, bounds()[1], "beyond the last one")
}

func TestParseEOS(t *testing.T) {
	for text, want := range map[string][]int{`5`: {5}, `[5, 6]`: {5, 6}, `[]`: {}, `null`: nil} {
		c, err := Parse(edit(t, huggingFace, map[string]any{"eos_token_id": json.RawMessage(text)}))
		require.NoError(t, err)
		require.Equal(t, want, c.EOS, text)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"num_hidden_layers", nil, "key num_hidden_layers is missing"},
		{"num_experts", nil, "key num_experts (num_local_experts) is missing"},
		{"experts_per_token", nil, "key experts_per_token (num_experts_per_tok) is missing"},
		{"vocab_size", nil, "key vocab_size is missing"},
		{"hidden_size", nil, "key hidden_size is missing"},
		{"intermediate_size", nil, "key intermediate_size is missing"},
		{"head_dim", nil, "key head_dim is missing"},
		{"num_attention_heads", nil, "key num_attention_heads is missing"},
		{"num_key_value_heads", nil, "key num_key_value_heads is missing"},
		{"sliding_window", nil, "key sliding_window is missing"},
		{"rope_theta", nil, "key rope_theta is missing"},
		{"rope_scaling_factor", nil, "rope_scaling_factor) is missing"},
		{"rope_ntk_alpha", nil, "rope_ntk_alpha) is missing"},
		{"rope_ntk_beta", nil, "rope_ntk_beta) is missing"},
		{"initial_context_length", nil, "initial_context_length) is missing"},

		{"num_hidden_layers", 0, "num_hidden_layers is 0, expected 1 to 4096"},
		{"num_hidden_layers", -3, "num_hidden_layers is -3"},
		{"num_hidden_layers", 1 << 40, "num_hidden_layers is 1099511627776"},
		{"num_hidden_layers", 2.5, "not the JSON of a model config"},
		{"num_hidden_layers", "3", "not the JSON of a model config"},
		{"num_experts", 1 << 20, "number of experts is 1048576"},
		{"experts_per_token", 9, "experts_per_token is 9, but there are 8 experts"},
		{"hidden_size", 48, "hidden_size is 48, expected a multiple of 32"},
		{"hidden_size", 1 << 30, "hidden_size is 1073741824, expected 1 to 131072"},
		{"intermediate_size", 50, "intermediate_size is 50, expected a multiple of 32"},
		{"vocab_size", 1 << 60, "vocab_size"},
		{"head_dim", 31, "head_dim is 31, expected an even number"},
		{"num_key_value_heads", 3, "num_attention_heads is 4, expected a multiple of num_key_value_heads, 3"},
		{"num_attention_heads", 1 << 24, "num_attention_heads is 16777216"},
		{"sliding_window", 0, "sliding_window is 0"},
		{"swiglu_limit", -1, "swiglu_limit is -1, expected a positive number"},
		{"swiglu_alpha", 0, "swiglu_alpha is 0"},
		{"rms_norm_eps", 0, "rms_norm_eps is 0"},
		{"rope_theta", 1, "rope_theta is 1, expected a number above 1"},
		{"rope_scaling_factor", 0.5, "rope scaling factor is 0.5"},
		{"rope_ntk_alpha", -1, "beta_slow (rope_ntk_alpha) is -1"},
		{"rope_ntk_beta", 1.0, "must be larger"},
		{"initial_context_length", 0, "initial context length is 0"},

		{"model_type", "llama", `model_type is "llama", expected "gpt_oss"`},
		{"hidden_act", "gelu", `hidden_act is "gelu"`},
		{"tie_word_embeddings", true, "tie_word_embeddings is true"},
		{"layer_types", []string{"full_attention"}, "layer_types has 1 entries, but there are 3 layers"},
		{"layer_types", []string{"full_attention", "full_attention", "linear"}, `"linear" for layer 2`},
		{"eos_token_id", "x", "eos_token_id is neither a token id nor a list"},
		{"eos_token_id", []int{3, -1}, "eos_token_id is -1"},
		{"num_experts", 1<<12 + 1, "number of experts is 4097"},
	} {
		_, err := Parse(edit(t, openAI, map[string]any{c.key: c.value}))
		require.ErrorContains(t, err, c.want, "%s = %v", c.key, c.value)
	}
	many := edit(t, openAI, map[string]any{"num_hidden_layers": 1 << 7, "num_experts": 1<<11 + 1})
	_, err := Parse(many)
	require.ErrorContains(t, err, "128 layers of 2049 experts are more than 262144 experts")
	wide := edit(t, openAI, map[string]any{"head_dim": 1 << 12, "num_attention_heads": 1 << 13})
	_, err = Parse(wide)
	require.ErrorContains(t, err, "make a projection wider than")
	for text, want := range map[string]string{
		"":          "not the JSON",
		"[]":        "not the JSON",
		"{":         "not the JSON",
		"null":      "num_hidden_layers is missing",
		"{\"\xff\"": "not UTF-8",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want)
	}
}

func TestWriteBothSpellings(t *testing.T) {
	c := model()
	for name, encode := range map[string]func() ([]byte, error){"openai": c.OpenAI, "huggingface": c.HuggingFace} {
		text, err := encode()
		require.NoError(t, err, name)
		back, err := Parse(text)
		require.NoError(t, err, name)
		require.Equal(t, c, back, name)
	}
	c.SwigluAlpha, c.EOS = 1.5, []int{2}
	text, err := c.HuggingFace()
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(text), "}\n"))
	_, err = c.OpenAI()
	require.ErrorContains(t, err, "no keys for some")
}

func TestPresets(t *testing.T) {
	for _, name := range Presets() {
		c, err := Preset(name)
		require.NoError(t, err)
		require.NoError(t, c.Validate())
		c.SetLayers(5)
		require.Equal(t, []bool{true, false, true, false, true}, c.Sliding)
		again, err := Preset(name)
		require.NoError(t, err)
		require.NotEqual(t, c, again)
		again.SetLayers(-1)
		require.Error(t, again.Validate())
	}
	_, err := Preset("7b")
	require.ErrorContains(t, err, "120b, 20b, tiny")
}

// FuzzParse looks for panics and for configs that pass though nobody could
// compute with them.
func FuzzParse(f *testing.F) {
	f.Add([]byte(openAI))
	f.Add([]byte(huggingFace))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		require.NoError(t, c.Validate())
		require.Len(t, c.Sliding, c.Layers)
	})
}

func TestLn(t *testing.T) {
	for x := 0x1p-60; x < 0x1p60; x *= 1.37 {
		require.InDelta(t, math.Log(x), ln(x), 0x1p-51*max(math.Abs(math.Log(x)), 1), "%g", x)
	}
	require.Zero(t, ln(1))
}
