package policy

import (
	"math"

	"expertfs"
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

func descend(w, seen *float32, rate, grad float32) {
	*seen += grad * grad
	*w -= rate * grad / sqrt(*seen+1)
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// sigmoid is 1/(1+exp(-x)), to some 1e-6. It is tabulated, being needed some
// ten thousand times a token, and monotone.
func sigmoid(x float32) float32 {
	at := (min(max(x, -sigmoidEnd), sigmoidEnd) + sigmoidEnd) * ((sigmoidSteps - 1) / (2 * sigmoidEnd))
	i := min(int(at), sigmoidSteps-2)
	return sigmoids[i] + (at-float32(i))*(sigmoids[i+1]-sigmoids[i])
}

const (
	sigmoidEnd   = 16
	sigmoidSteps = 4096
)

var sigmoids = func() (table [sigmoidSteps]float32) {
	for i := range table {
		x := float64(i)/(sigmoidSteps-1)*2*sigmoidEnd - sigmoidEnd
		table[i] = float32(1 / (1 + math.Exp(-x)))
	}
	return table
}()

// dense is the part of a logistic regression over features: one weight for
// each feature that all layers share, one more of each layer, and a bias of
// each expert.
type dense struct {
	shared   weights
	layers   []weights
	bias     [][]float32
	biasRate float32
}

// denseRate is the learning rate of weights over features.
const denseRate = 0.1

func newDense(s expertfs.Shape, biasRate float32) *dense {
	d := &dense{shared: newWeights(nFeatures), biasRate: biasRate}
	// To begin with, the averages together predict as one average would.
	for i := range memories {
		d.shared.w[i] = 1 / float32(len(memories))
	}
	for range s.Layers {
		d.layers = append(d.layers, newWeights(nFeatures))
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
		for i, f := range &fs[e] {
			sum += w[i] * f
		}
		z[e] = sum
	}
}

// learn takes the gradients of the logits.
func (d *dense) learn(grads []float32, layer int, fs []features) {
	own := &d.layers[layer]
	for e, g := range grads {
		for i, f := range &fs[e] {
			descend(&d.shared.w[i], &d.shared.seen[i], denseRate, g*f)
			descend(&own.w[i], &own.seen[i], denseRate, g*f)
		}
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
	// Four rows at a time, which is a token's choice, are added in the same
	// order as one after the other, in one pass over z.
	for ; len(from) >= 4; from = from[4:] {
		a, b, c, d := p.row(from[0], z), p.row(from[1], z), p.row(from[2], z), p.row(from[3], z)
		wa, wb, wc, wd := from[0].weight, from[1].weight, from[2].weight, from[3].weight
		for e := range z {
			z[e] = z[e] + wa*a[e] + wb*b[e] + wc*c[e] + wd*d[e]
		}
	}
	for _, s := range from {
		for e, w := range p.row(s, z) {
			z[e] += s.weight * w
		}
	}
}

// row is what the use of an expert says about each, as many as there are in z.
func (p *pairs) row(s source, z []float32) []float32 { return p.w[s.expert*p.n:][:len(z)] }

// learn takes the gradients of the logits.
func (p *pairs) learn(grads []float32, from []source) {
	for _, s := range from {
		w, seen := p.w[s.expert*p.n:][:len(grads)], p.seen[s.expert*p.n:][:len(grads)]
		for e, g := range grads {
			descend(&w[e], &seen[e], p.rate, s.weight*g)
		}
	}
}
