package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// yarn is the dictionary of Hugging Face configs, or OpenAI's keys in its terms.
type yarn struct {
	Type            *string  `json:"rope_type"`
	OldType         *string  `json:"type"` // the older name of rope_type
	Factor          *float64 `json:"factor"`
	BetaFast        *float64 `json:"beta_fast"`
	BetaSlow        *float64 `json:"beta_slow"`
	InitialContext  *int     `json:"original_max_position_embeddings"`
	Theta           *float64 `json:"rope_theta"`
	Truncate        *bool    `json:"truncate"`
	AttentionFactor *float64 `json:"attention_factor"`
}

// yarnKeys are the keys of the dictionary that are read. Others would change the
// computation (mscale does), or nobody knows whether: they are refused by name.
var yarnKeys = func() (keys []string) {
	t := reflect.TypeFor[yarn]()
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("json"))
	}
	return keys
}()

// rope fills in the rotary constants, from a dictionary or from OpenAI's keys.
func (f *file) rope(r *Rope) error {
	dict, key, err := f.ropeDictionary()
	if err != nil {
		return err
	}
	if dict == nil {
		return r.set(f.RopeTheta, f.RopeFactor, f.RopeAlpha, f.RopeBeta, f.InitialContext)
	}
	d, err := parseYarn(dict)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	// Without the key the bounds are rounded: that is its default.
	r.Truncate = or(true, d.Truncate)
	if err := r.set(first(d.Theta, f.RopeTheta), d.Factor, d.BetaSlow, d.BetaFast, d.InitialContext); err != nil {
		return err
	}
	if derived := r.Concentration(); d.AttentionFactor != nil && math.Abs(*d.AttentionFactor-derived) > 1e-6 {
		return fmt.Errorf("%s: attention_factor is %v, but GPT-OSS derives it from the factor: %v", key, *d.AttentionFactor, derived)
	}
	return nil
}

// ropeDictionary returns the dictionary and its key; nil when the file has none.
func (f *file) ropeDictionary() (dict json.RawMessage, key string, err error) {
	scaling, parameters := present(f.RopeScaling), present(f.RopeParameters)
	switch {
	case scaling && parameters && !sameJSON(f.RopeScaling, f.RopeParameters):
		return nil, "", fmt.Errorf("rope_scaling and rope_parameters differ: remove the one that the model was not made with")
	case scaling:
		return f.RopeScaling, "rope_scaling", nil
	case parameters:
		return f.RopeParameters, "rope_parameters", nil
	}
	return nil, "", nil
}

// parseYarn reads a dictionary and refuses what is not computed.
func parseYarn(text json.RawMessage) (*yarn, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("expected an object: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(yarnKeys, key) && present(all[key]) {
			return nil, fmt.Errorf("has %s, which is not computed here", key)
		}
	}
	var d yarn
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	switch kind := first(d.Type, d.OldType); {
	case kind == nil:
		return nil, fmt.Errorf("rope_type is missing, expected \"yarn\"")
	case *kind != "yarn":
		return nil, fmt.Errorf("rope_type is %q, expected \"yarn\"", *kind)
	}
	return &d, nil
}

// set fills in the constants; all of them are required.
func (r *Rope) set(theta, factor, alpha, beta *float64, context *int) error {
	for _, v := range []struct {
		keys    string
		missing bool
	}{
		{"rope_theta", theta == nil},
		{"factor (rope_scaling_factor)", factor == nil},
		{"beta_slow (rope_ntk_alpha)", alpha == nil},
		{"beta_fast (rope_ntk_beta)", beta == nil},
		{"original_max_position_embeddings (initial_context_length)", context == nil},
	} {
		if v.missing {
			return fmt.Errorf("key %s is missing", v.keys)
		}
	}
	r.Theta, r.Factor, r.Alpha, r.Beta, r.InitialContext = *theta, *factor, *alpha, *beta, *context
	return nil
}

// present tells whether a key has a value.
func present(text json.RawMessage) bool { return len(text) > 0 && string(text) != "null" }

// sameJSON compares two texts, whatever the order of their keys.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}
