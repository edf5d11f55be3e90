package checkpoint

import (
	"fmt"
	"strings"
)

// compareDimensions notes, in one line, where the config and the weights are of
// different sizes: it comes before the many tensors that then have the wrong
// shape. Fewer layers than the config says are no such case by themselves, as
// files may be missing.
func (c *Checkpoint) compareDimensions(f *folder, bad *problems) {
	var says, have []string
	differ := func(key string, config, weights int64) bool {
		if config == weights || weights == 0 {
			return false
		}
		says = append(says, fmt.Sprintf("%s %d", key, config))
		have = append(have, fmt.Sprint(weights))
		return true
	}
	embedding, router := "embedding.weight", "mlp.gate.weight"
	if c.layout == HuggingFace {
		embedding, router = "model.embed_tokens.weight", "mlp.router.weight"
	}
	// In order of evaluation: all of them are to be listed.
	vocab := differ("vocab_size", int64(c.config.Vocab), c.dimension(embedding, 0))
	hidden := differ("hidden_size", int64(c.config.Hidden), c.dimension(embedding, 1))
	experts := differ("num_experts", int64(c.config.Experts), c.dimension(c.layout.layerPrefix(0)+router, 0))
	if !vocab && !hidden && !experts {
		return
	}
	differ("num_hidden_layers", int64(c.config.Layers), c.layersPresent())
	bad.addf("%s: says %s, but the weights have %s: is it the config of another model?",
		f.describe(configName), strings.Join(says, ", "), strings.Join(have, ", "))
}

// dimension returns one dimension of a matrix, 0 where there is no such matrix.
func (c *Checkpoint) dimension(name string, i int) int64 {
	if t, ok := c.places[name]; ok && len(t.Shape) == 2 {
		return t.Shape[i]
	}
	return 0
}

// layersPresent counts the layers, from the first on, of which there is a tensor.
func (c *Checkpoint) layersPresent() (n int64) {
	for ; ; n++ {
		prefix, found := c.layout.layerPrefix(int(n)), false
		for name := range c.places {
			if found = strings.HasPrefix(name, prefix); found {
				break
			}
		}
		if !found {
			return n
		}
	}
}
