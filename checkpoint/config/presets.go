package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"expertfs"
)

// presets holds the dimensions of the published models and of the embedded one.
var presets = map[string]Config{
	"20b":  {Layers: 24, Experts: 32, TopK: 4, Hidden: 2880, Intermediate: 2880, Vocab: 201088, HeadDim: 64, Heads: 64, KVHeads: 8, Window: 128},
	"120b": {Layers: 36, Experts: 128, TopK: 4, Hidden: 2880, Intermediate: 2880, Vocab: 201088, HeadDim: 64, Heads: 64, KVHeads: 8, Window: 128},
	"tiny": {Layers: 4, Experts: 32, TopK: 4, Hidden: 192, Intermediate: 96, Vocab: 2048, HeadDim: 32, Heads: 8, KVHeads: 2, Window: 64},
}

// Presets returns the names that Preset knows.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// Preset returns a new config with the dimensions of that name and the
// constants of the published models.
func Preset(name string) (*Config, error) {
	c, ok := presets[name]
	if !ok {
		return nil, fmt.Errorf("no preset %q: known are %s", name, strings.Join(Presets(), ", "))
	}
	c.RMSEps, c.SwigluLimit, c.SwigluAlpha = defaultRMSEps, defaultSwigluLimit, defaultSwigluAlpha
	c.Rope = Rope{Theta: 150000, Factor: 32, Alpha: 1, Beta: 32, InitialContext: 4096}
	c.Sliding = alternate(c.Layers)
	return &c, nil
}

// SetLayers changes the number of layers and gives them the published models'
// pattern of attention.
func (c *Config) SetLayers(n int) {
	c.Layers, c.Sliding = n, alternate(min(max(n, 0), expertfs.MaxLayers))
}
