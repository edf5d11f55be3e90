package policy

import (
	"iter"

	"expertfs"
)

// markov adds to ewma what the experts chosen last say about those of the next
// visit: a layer's choice for one token makes some experts likely for the next
// of the same stream. For each pair of experts of a layer it counts how often
// the second followed the first, decayed, and blends the mean of these shares
// over the experts that a stream chose last with the average of all streams:
//
//	chance = (1-mix) ewma + mix mean over chosen of P(expert | chosen)
//
// An expert is worth the chance that any active stream uses it. Prefetching by
// such transitions is old (Joseph and Grunwald, "Prefetching using Markov
// predictors", 1997); here it values what to keep.
type markov struct {
	ranking
	rates  averages
	near   nearness
	mix    float32
	forget float32
	shares [][]float32         // by layer: P(to | from) at from*Experts+to; nil if not counted
	last   [MaxStreams][][]int // by stream and layer: the experts of the last visit

	// Scratch, to spare allocations.
	used     []int
	one, any []float32
}

func newMarkov(s expertfs.Shape, p *params) *markov {
	m := &markov{
		ranking: newRanking(s),
		rates:   newAverages(s, p),
		near:    newNearness(s, p),
		mix:     float32(p.float("mix", 0.5, 0, 1)),
		forget:  float32(p.float("rate", 0.02, 0.0001, 1)),
		shares:  make([][]float32, s.Layers),
		any:     make([]float32, s.Experts),
	}
	// Without counts of pairs, where they would be too many, it is ewma.
	if s.Layers*s.Experts*s.Experts <= maxPairs {
		for l := range m.shares {
			m.shares[l] = make([]float32, s.Experts*s.Experts)
			for i := range m.shares[l] {
				m.shares[l][i] = uniform(s)
			}
		}
	}
	m.Warm(NewHeat(s))
	return m
}

func (p *markov) Step(s Step) {
	if s.Layer < 0 || s.Layer >= p.shape.Layers {
		return
	}
	changed := p.near.pace.step(s)
	p.used = chosen(p.shape, p.used[:0], s)
	p.rates.visit(s.Layer, p.used, p.near.pace.streams())
	stream := streamIndex(s.Stream)
	if p.last[stream] == nil {
		p.last[stream] = make([][]int, p.shape.Layers)
	}
	last := &p.last[stream][s.Layer]
	p.count(s.Layer, *last, p.used)
	// A batch says little about the token after it, and has many pairs.
	*last = (*last)[:0]
	if p.shares[s.Layer] != nil && !batch(p.shape, len(p.used)) {
		*last = append(*last, p.used...)
	}
	if changed {
		p.blendAll()
	} else {
		p.blend(s.Layer)
	}
}

// count takes what followed the experts of one visit at the next.
func (p *markov) count(layer int, from, to []int) {
	for _, f := range from {
		row := p.shares[layer][f*p.shape.Experts:][:p.shape.Experts]
		for e := range row {
			row[e] -= p.forget * row[e]
		}
		for _, e := range to {
			row[e] += p.forget
		}
	}
}

// batch tells whether a step of n experts is more than one token's.
func batch(s expertfs.Shape, n int) bool { return n > s.TopK }

// blend makes the scores of a layer.
func (p *markov) blend(layer int) {
	copy(p.any, p.rates.layer(layer)) // where no stream is active
	for i, stream := range p.near.pace.active {
		chances := p.chances(stream, layer)
		if i == 0 {
			copy(p.any, chances)
			continue
		}
		for e, c := range chances {
			p.any[e] += c - c*p.any[e]
		}
	}
	p.setLayer(layer, p.any)
}

func (p *markov) blendAll() {
	for l := range p.shape.Layers {
		p.blend(l)
	}
}

// chances are those of a stream's next visit of a layer, until the next call.
func (p *markov) chances(stream, layer int) []float32 {
	chances := append(p.one[:0], p.rates.layer(layer)...)
	p.one = chances
	last := p.last[stream]
	if last == nil || len(last[layer]) == 0 {
		return chances
	}
	for e := range chances {
		chances[e] *= 1 - p.mix
	}
	each := p.mix / float32(len(last[layer]))
	for _, from := range last[layer] {
		for to, share := range p.shares[layer][from*p.shape.Experts:][:p.shape.Experts] {
			chances[to] += each * share
		}
	}
	return chances
}

// Warm begins with the rates of an earlier run.
func (p *markov) Warm(h *Heat) {
	p.rates.warm(h)
	p.blendAll()
}

// EndStream forgets a stream.
func (p *markov) EndStream(stream int) {
	p.last[streamIndex(stream)] = nil
	if p.near.pace.end(stream) {
		p.blendAll()
	}
}

func (p *markov) Victims() iter.Seq[expertfs.Key] { return p.victims(p.near.discount) }
func (p *markov) Resize(int64)                    {}

// Value is the chance that any active stream uses k at its next visit.
func (p *markov) Value(k expertfs.Key) float64 {
	if !p.shape.Contains(k) {
		return 0
	}
	return min(max(float64(p.scores[p.index(k)]), 0), 1)
}
