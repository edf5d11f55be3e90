package gguf

import (
	"fmt"
	"slices"
	"strings"

	"expertfs/checkpoint/format"
)

// resolve finds every tensor of the model and notes the ones that are missing or
// not what the metadata says.
func (m *model) resolve(describe func(file int) string, bad *format.Problems) {
	note := func(p *place, format string, args ...any) {
		bad.Addf("%s: tensor %q %s", describe(p.file), p.name, fmt.Sprintf(format, args...))
	}
	m.dense = map[denseKey]*dense{}
	one := func(layer int, t format.Tensor) {
		found, err := m.find(layer, names[t.Name])
		if err != nil {
			bad.Addf("%s: %w", describe(0), err)
			return
		}
		rows := pieceRows(m.config, t, len(found))
		for i := range found {
			want := append(rows[i:i+1:i+1], t.Shape[1:]...)
			if !found[i].hasShape(want) {
				note(&found[i], "is %s, expected the shape %v by the metadata", found[i].describe(), want)
				return
			}
			if !found[i].kind.served(len(want)) {
				note(&found[i], "is of type %s, which is not served", found[i].kind)
				return
			}
		}
		d := &dense{pieces: found, kind: common(found), vector: len(t.Shape) == 1 || t.Name == "mlp.gate.weight"}
		if d.vector && !d.kind.float() {
			d.kind = f32 // a router of 8 bits: rounded files are made of layers in which it is plain
		}
		m.dense[denseKey{layer, t.Name}] = d
	}
	one(format.NoLayer, format.Embedding(m.config))
	for _, t := range format.Unembedding(m.config) {
		one(format.NoLayer, t)
	}
	m.layers = make([]experts, m.config.Layers)
	for layer := range m.config.Layers {
		for _, t := range format.Dense(m.config) {
			one(layer, t)
		}
		if err := m.resolveExperts(layer, describe); err != nil {
			bad.Addf("%w", err)
		}
	}
	beyond := named(m.config.Layers, "")
	for name, p := range m.places {
		if strings.HasPrefix(name, beyond) {
			note(&p, "is of layer %d, but the metadata says that there are %d", m.config.Layers, m.config.Layers)
			return
		}
	}
}

// served tells whether tensors of a type are: matrices, with two dimensions, and
// vectors.
func (k kind) served(dimensions int) bool {
	_, quantised := decoders[k]
	return k.float() || quantised && dimensions == 2
}

// float tells whether a type has plain values.
func (k kind) float() bool { return k == f32 || k == f16 || k == bf16 }

// common is the type in which the pieces of a tensor are served: their own, if it
// is one for all of them and plain or Q8_0, and otherwise F32.
func common(pieces []place) kind {
	k := pieces[0].kind
	for _, p := range pieces {
		if p.kind != k || !k.float() && k != q8_0 {
			return f32
		}
	}
	return k
}

// hasShape compares a tensor with a shape, slowest dimension first. GGUF may
// leave out leading dimensions of 1.
func (t *tensor) hasShape(want []int64) bool {
	got := slices.Clone(t.dims)
	for len(got) > len(want) && got[len(got)-1] == 1 {
		got = got[:len(got)-1]
	}
	for len(got) < len(want) {
		got = append(got, 1)
	}
	slices.Reverse(got)
	return slices.Equal(got, want)
}

// resolveExperts finds the experts of a layer.
func (m *model) resolveExperts(layer int, describe func(file int) string) error {
	c, x := m.config, &m.layers[layer]
	hidden, inner, n := int64(c.Hidden), int64(c.Intermediate), int64(c.Experts)
	for i, matrix := range []struct {
		ways          [][]string
		rows, columns int64
	}{
		{[][]string{pairNames, fusedName}, 2 * inner, hidden},
		{[][]string{downName}, hidden, inner},
	} {
		for _, part := range []struct {
			suffix string
			to     *[]place
			shape  []int64
		}{
			{".weight", &x.weights[i], []int64{n, matrix.rows, matrix.columns}},
			{".bias", &x.biases[i], []int64{n, matrix.rows}},
		} {
			ways := make([][]string, len(matrix.ways))
			for j, way := range matrix.ways {
				for _, name := range way {
					ways[j] = append(ways[j], name+part.suffix)
				}
			}
			found, err := m.find(layer, ways)
			if err != nil {
				return fmt.Errorf("%s: %w", describe(0), err)
			}
			part.shape[1] /= int64(len(found))
			for j := range found {
				if err := m.checkExpert(&found[j], &found[0], part.shape); err != nil {
					return fmt.Errorf("%s: tensor %q %w", describe(found[j].file), found[j].name, err)
				}
			}
			*part.to = found
		}
		k := x.weights[i][0].kind
		if len(x.weights[i]) == 2 {
			x.split[i] = rowTransform(k, c.Hidden)
		} else {
			x.split[i] = matrixTransform(k)
		}
	}
	if len(x.weights[0]) != len(x.biases[0]) {
		return fmt.Errorf("%s: layer %d has gate and up apart in weights or biases alone", describe(0), layer)
	}
	return nil
}

// checkExpert tells whether a stacked tensor is as it must be, and as the other
// one of its pair.
func (m *model) checkExpert(p, other *place, shape []int64) error {
	_, isMXFP4 := splits[p.kind]
	weights := len(shape) == 3
	switch arch := m.metadata["general.architecture"]; {
	case !p.hasShape(shape):
		return fmt.Errorf("is %s, expected the shape %v by the metadata", p.describe(), shape)
	case weights && !isMXFP4:
		return fmt.Errorf("is of type %s: the experts are not MXFP4: use a file whose experts are as published", p.kind)
	case !weights && !p.kind.float():
		return fmt.Errorf("is of type %s, which is not served", p.kind)
	case p.kind != other.kind:
		return fmt.Errorf("is of type %s, but %q of type %s", p.kind, other.name, other.kind)
	case strings.Contains(p.name, fusedName[0]) && arch == llamaCpp:
		return fmt.Errorf("has gate and up fused, in an order that architecture %q does not say: convert without fusing", llamaCpp)
	}
	return nil
}
