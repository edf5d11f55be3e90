package layout

import (
	"fmt"
	"strings"

	"expertfs/checkpoint/format"
)

// compareDimensions notes, in one line, where the config and the weights are of
// different sizes: it comes before the many tensors that then have the wrong
// shape. Fewer layers than the config says are no such case by themselves, as
// files may be missing.
func (m *model) compareDimensions(f folder, bad *format.Problems) {
	var says, have []string
	differ := func(key string, config, weights int64) bool {
		if config == weights || weights == 0 {
			return false
		}
		says = append(says, fmt.Sprintf("%s %d", key, config))
		have = append(have, fmt.Sprint(weights))
		return true
	}
	named := func(layer int, name string) string {
		return m.layout.tensors(m.config, layer, format.Tensor{Name: name})[0].Name
	}
	embedding, router := named(format.NoLayer, "embedding.weight"), named(0, "mlp.gate.weight")
	// In order of evaluation: all of them are to be listed.
	vocab := differ("vocab_size", int64(m.config.Vocab), m.dimension(embedding, 0))
	hidden := differ("hidden_size", int64(m.config.Hidden), m.dimension(embedding, 1))
	experts := differ("num_experts", int64(m.config.Experts), m.dimension(router, 0))
	if !vocab && !hidden && !experts {
		return
	}
	differ("num_hidden_layers", int64(m.config.Layers), m.layersPresent())
	bad.Addf("%s: says %s, but the weights have %s: is it the config of another model?",
		f.Describe(ConfigName), strings.Join(says, ", "), strings.Join(have, ", "))
}

// dimension returns one dimension of a matrix, 0 where there is no such matrix.
func (m *model) dimension(name string, i int) int64 {
	if t, ok := m.places[name]; ok && len(t.Shape) == 2 {
		return t.Shape[i]
	}
	return 0
}

// layersPresent counts the layers, from the first on, of which there is a tensor.
func (m *model) layersPresent() (n int64) {
	for ; ; n++ {
		prefix, found := m.layout.layerPrefix(int(n)), false
		for name := range m.places {
			if found = strings.HasPrefix(name, prefix); found {
				break
			}
		}
		if !found {
			return n
		}
	}
}
