package policy

// markov adds to ewma what the experts chosen last say about those of the next
// visit: a layer's choice for one token makes some experts likely for the
// next. For each pair of experts of a layer it counts how often the second
// followed the first, decayed, and blends the mean of these shares over the
// experts chosen last with the average:
//
//	chance = (1-mix) ewma + mix mean over chosen of P(expert | chosen)
//
// Prefetching by such transitions is old (Joseph and Grunwald, "Prefetching
// using Markov predictors", 1997); here it values what to keep.
type markov struct {
	ewma
	mix    float32
	forget float32
	rates  []float32   // the averages; the scores hold the blend
	shares [][]float32 // by layer: P(to | from) at from*Experts+to; nil if not counted
	chosen [][]int     // by layer: the experts of the last visit
}

func newMarkov(s Shape, p *params) *markov {
	m := &markov{
		ewma:   *newEWMA(s, p),
		mix:    float32(p.float("mix", 0.5, 0, 1)),
		forget: float32(p.float("rate", 0.02, 0.0001, 1)),
		shares: make([][]float32, s.Layers),
		chosen: make([][]int, s.Layers),
	}
	m.rates = append([]float32(nil), m.scores...)
	if s.Layers*s.Experts*s.Experts > maxPairs {
		return m // too many pairs to count: without them it is ewma
	}
	for l := range m.shares {
		m.shares[l] = make([]float32, s.Experts*s.Experts)
		for i := range m.shares[l] {
			m.shares[l][i] = uniform(s)
		}
	}
	return m
}

func (p *markov) Step(s Step) {
	layer := s.Layer
	if layer < 0 || layer >= p.shape.Layers {
		return
	}
	n := p.shape.Experts
	rates := p.rates[layer*n:][:n]
	p.last = layer
	p.average(rates, s) // leaves the experts of the step in p.buf
	for _, from := range p.chosen[layer] {
		row := p.shares[layer][from*n:][:n]
		for to := range row {
			row[to] -= p.forget * row[to]
		}
		for _, to := range p.buf {
			row[to] += p.forget
		}
	}
	// A batch says little about the token after it, and has many pairs.
	p.chosen[layer] = p.chosen[layer][:0]
	if p.shares[layer] != nil && !batch(p.shape, len(p.buf)) {
		p.chosen[layer] = append(p.chosen[layer], p.buf...)
	}
	p.blend(layer)
}

// batch tells whether a step of n experts is more than one token's.
func batch(s Shape, n int) bool { return n > s.TopK }

// blend makes the scores of a layer.
func (p *markov) blend(layer int) {
	n := p.shape.Experts
	scores := p.layer(layer)
	copy(scores, p.rates[layer*n:])
	if len(p.chosen[layer]) == 0 {
		return
	}
	for e := range scores {
		scores[e] *= 1 - p.mix
	}
	each := p.mix / float32(len(p.chosen[layer]))
	for _, from := range p.chosen[layer] {
		for to, share := range p.shares[layer][from*n:][:n] {
			scores[to] += each * share
		}
	}
}

// Warm begins with the rates of an earlier run.
func (p *markov) Warm(h *Heat) {
	p.ewma.Warm(h)
	copy(p.rates, p.scores)
	for l := range p.shape.Layers {
		p.blend(l)
	}
}
