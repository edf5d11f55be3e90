package policy

import (
	"expertfs"
	"expertfs/policy/internal/rows"
)

// weights are learned by stochastic gradient descent, each at its own rate,
// which falls with the gradients it has seen (AdaGrad: Duchi, Hazan, Singer,
// JMLR 2011).
type weights struct {
	w, seen []float32 // the weight, and the sum of its squared gradients
}

func newWeights(n int) weights {
	return weights{make([]float32, n), make([]float32, n)}
}

// dense is the part of a logistic regression over features: one weight for
// each feature that all layers share, one more of each layer, and a bias of
// each expert.
type dense struct {
	shared   weights // these and the next are of the width of features
	layers   []weights
	bias     [][]float32
	biasRate float32
}

// denseRate is the learning rate of weights over features.
const denseRate = 0.1

func newDense(s expertfs.Shape, biasRate float32) *dense {
	d := &dense{shared: newWeights(featureRow), biasRate: biasRate}
	// To begin with, the averages together predict as one average would.
	for i := range memories {
		d.shared.w[i] = 1 / float32(len(memories))
	}
	for range s.Layers {
		d.layers = append(d.layers, newWeights(featureRow))
		d.bias = append(d.bias, make([]float32, s.Experts))
	}
	return d
}

// logits sets z to the logits of a layer's experts.
func (d *dense) logits(z []float32, layer int, fs []features) {
	var w features
	for i := range w {
		w[i] = d.shared.w[i] + d.layers[layer].w[i]
	}
	for e := range z {
		sum := d.bias[layer][e]
		for i, f := range fs[e][:nFeatures] {
			sum += w[i] * f
		}
		z[e] = sum
	}
}

// learn takes the gradients of the logits.
func (d *dense) learn(grads []float32, layer int, fs []features) {
	own := &d.layers[layer]
	for e, g := range grads {
		rows.Descend(d.shared.w, d.shared.seen, fs[e][:], denseRate, g)
		rows.Descend(own.w, own.seen, fs[e][:], denseRate, g)
		d.bias[layer][e] -= d.biasRate * g
	}
}

// source is an expert whose use is evidence for others, and how much it is.
type source struct {
	expert int
	weight float32
}

// pairs holds what the use of each expert of one layer says about each of
// another, or of the same: summands of their logits.
type pairs struct {
	weights
	n    int // experts per layer
	rate float32
}

func newPairs(experts int, rate float32) *pairs {
	return &pairs{newWeights(experts * experts), experts, rate}
}

// newTables makes n tables of pairs.
func newTables(n, experts int, rate float32) []*pairs {
	tables := make([]*pairs, n)
	for i := range tables {
		tables[i] = newPairs(experts, rate)
	}
	return tables
}

// add adds the evidence of the sources to the logits z.
func (p *pairs) add(z []float32, from []source) {
	for ; len(from) >= 4; from = from[4:] { // a token's choice, in one pass
		var w [4]float32
		var x [4][]float32
		for i, s := range from[:4] {
			x[i], w[i] = p.row(p.w, s), s.weight
		}
		rows.Add4(z, &x, &w)
	}
	for _, s := range from {
		rows.Add(z, p.row(p.w, s), s.weight)
	}
}

// row is what numbers hold of the use of an expert, one for each other expert.
func (p *pairs) row(numbers []float32, s source) []float32 { return numbers[s.expert*p.n:][:p.n] }

// learn takes the gradients of the logits.
func (p *pairs) learn(grads []float32, from []source) {
	for _, s := range from {
		rows.Descend(p.row(p.w, s), p.row(p.seen, s), grads, p.rate, s.weight)
	}
}
