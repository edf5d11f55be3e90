package gguf

import (
	"maps"
	"testing"

	"expertfs/checkpoint/config"

	"github.com/stretchr/testify/require"
)

// published are the hyperparameters of gpt-oss-20b as llama.cpp's converter
// writes them, under another architecture's name if asked.
func published(arch string) metadata {
	m := metadata{"general.architecture": arch}
	for key, v := range map[string]any{
		"block_count": int64(24), "expert_count": int64(32), "expert_used_count": int64(4), "embedding_length": int64(2880),
		"expert_feed_forward_length": int64(2880), "feed_forward_length": int64(2880), "attention.head_count": int64(64),
		"attention.head_count_kv": int64(8), "attention.key_length": int64(64), "attention.value_length": int64(64),
		"attention.sliding_window": int64(128), "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 150000.0,
		"rope.scaling.type": "yarn", "rope.scaling.factor": 32.0, "rope.scaling.original_context_length": int64(4096),
		"context_length": int64(131072),
	} {
		m[arch+"."+key] = v
	}
	return m
}

func TestConfigOfThePublishedModel(t *testing.T) {
	want, err := config.Preset("20b")
	require.NoError(t, err)
	for _, arch := range []string{llamaCpp, ollama} {
		for name, more := range map[string]metadata{
			"as published":  {},
			"neutral keys":  {arch + ".rope.scaling.yarn_ext_factor": 1.0, arch + ".attention.scale": 0.125, arch + ".rope.freq_base_swa": 150000.0, arch + ".rope.dimension_count": int64(64)},
			"lists":         {arch + ".attention.head_count_kv": []int64{8, 8}, arch + ".attention.sliding_window_pattern": int64(2)},
			"yarn's bounds": {arch + ".rope.scaling.yarn_beta_fast": 32.0, arch + ".rope.scaling.yarn_beta_slow": 1.0},
		} {
			m := published(arch)
			maps.Copy(m, more)
			got, err := readConfig(m, 201088)
			require.NoError(t, err, name)
			require.Equal(t, want, got, name)
		}
	}
	m := published(llamaCpp)
	m["tokenizer.ggml.eos_token_id"] = int64(200002)
	c, err := readConfig(m, 201088)
	require.NoError(t, err)
	require.Equal(t, []int{200002}, c.EOS)
	m["tokenizer.ggml.eos_token_ids"] = []int64{199999, 200002, 200012}
	c, err = readConfig(m, 201088)
	require.NoError(t, err)
	require.Equal(t, []int{199999, 200002, 200012}, c.EOS)
}

func TestConfigRefuses(t *testing.T) {
	for key, c := range map[string]struct {
		value any // nil removes the key
		want  string
	}{
		"block_count":                          {nil, `"gpt-oss.block_count" is missing`},
		"expert_count":                         {"32", `"gpt-oss.expert_count" is no whole number`},
		"expert_used_count":                    {int64(33), "experts_per_token is 33"},
		"embedding_length":                     {int64(-1), `is -1, out of range`},
		"attention.head_count":                 {int64(1) << 40, "out of range"},
		"attention.head_count_kv":              {[]int64{8, 4}, "differs between layers"},
		"attention.key_length":                 {[]int64{}, "is empty"},
		"attention.value_length":               {int64(128), "heads are 64 wide"},
		"attention.scale":                      {0.5, "attention.scale\" is 0.5, which is not computed"},
		"attention.sliding_window_pattern":     {int64(4), "is 4, expected 2"},
		"rope.freq_base":                       {nil, `"gpt-oss.rope.freq_base" is missing`},
		"rope.freq_base_swa":                   {10000.0, "which is not computed"},
		"rope.scaling.type":                    {"linear", `is "linear", expected "yarn"`},
		"rope.scaling.factor":                  {"32", "is no number"},
		"rope.scaling.original_context_length": {nil, "is missing"},
		"rope.scaling.attn_factor":             {1.5, "which is not computed"},
		"rope.scaling.yarn_log_multiplier":     {0.1, "is not computed"},
		"swiglu_clamp_exp":                     {skipped{}, "is not computed"},
		"expert_gating_func":                   {int64(2), "which is not computed"},
		"expert_shared_count":                  {int64(1), "which is not computed"},
	} {
		m := published(llamaCpp)
		m[llamaCpp+"."+key] = c.value
		if c.value == nil {
			delete(m, llamaCpp+"."+key)
		}
		_, err := readConfig(m, 201088)
		require.ErrorContains(t, err, c.want, key)
	}
	m := published(llamaCpp)
	delete(m, "gpt-oss.rope.scaling.type")
	_, err := readConfig(m, 201088)
	require.ErrorContains(t, err, "rope.scaling.type\" is missing")
	_, err = readConfig(published("llama"), 201088)
	require.ErrorContains(t, err, `architecture "llama", expected "gpt-oss" or "gptoss"`)
	_, err = readConfig(metadata{}, 201088)
	require.ErrorContains(t, err, `metadata key "general.architecture" is missing`)
}

func TestTokenizerRefuses(t *testing.T) {
	sound := func() metadata {
		return metadata{
			"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-4o", "tokenizer.ggml.tokens": []string{"a", "b", "ab", "<|end|>"},
			"tokenizer.ggml.token_type": []int64{1, 1, 1, 3}, "tokenizer.ggml.merges": []string{"a b"},
		}
	}
	text, err := makeTokenizer(sound())
	require.NoError(t, err)
	require.Contains(t, string(text), `"vocab":{"a":0,"b":1,"ab":2}`)
	for want, change := range map[string]metadata{
		`"tokenizer.ggml.model" is "llama"`: {"tokenizer.ggml.model": "llama"},
		`"tokenizer.ggml.pre" is "qwen2"`:   {"tokenizer.ggml.pre": "qwen2"},
		"has 2 values for 4 tokens":         {"tokenizer.ggml.token_type": []int64{1, 1}},
		"tokens 0 and 1 are the same":       {"tokenizer.ggml.tokens": []string{"a", "a", "ab", "x"}},
		"token 1 is of type 9":              {"tokenizer.ggml.token_type": []int64{1, 9, 1, 3}},
		"is of another type":                {"tokenizer.ggml.merges": int64(1)},
		"has 0 values for 4 tokens":         {"tokenizer.ggml.token_type": []int64{}},
		`token 0, "\xff", is no UTF-8`:      {"tokenizer.ggml.tokens": []string{"\xff", "b", "ab", "x"}},
		`merge 0, "a \xfe", is no UTF-8`:    {"tokenizer.ggml.merges": []string{"a \xfe"}},
		`"tokenizer.ggml.pre" is "default"`: {"tokenizer.ggml.pre": "default"},
		`"tokenizer.ggml.pre" is "gpt-2"`:   {"tokenizer.ggml.pre": "gpt-2", "general.architecture": llamaCpp},
		`"tokenizer.ggml.model" is of an`:   {"tokenizer.ggml.model": int64(1)},
	} {
		m := sound()
		maps.Copy(m, change)
		_, err := makeTokenizer(m)
		require.ErrorContains(t, err, want)
	}
	for _, pre := range []any{nil, "default", "gpt-2"} { // Ollama does not look at it
		m := sound()
		m["general.architecture"], m["tokenizer.ggml.pre"] = ollama, pre
		if pre == nil {
			delete(m, "tokenizer.ggml.pre")
		}
		same, err := makeTokenizer(m)
		require.NoError(t, err)
		require.Equal(t, text, same)
	}
	m := sound()
	m["general.architecture"] = llamaCpp
	delete(m, "tokenizer.ggml.pre") // of early converters: there is one way for this model
	same, err := makeTokenizer(m)
	require.NoError(t, err)
	require.Equal(t, text, same)
	m = sound()
	delete(m, "tokenizer.ggml.token_type") // they are told by how they are spelled
	same, err = makeTokenizer(m)
	require.NoError(t, err)
	require.Equal(t, text, same)
	for _, key := range []string{"tokens", "merges"} {
		m := sound()
		delete(m, "tokenizer.ggml."+key)
		_, err := makeTokenizer(m)
		require.ErrorContains(t, err, "is missing")
	}
}
