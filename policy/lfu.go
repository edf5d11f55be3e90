package policy

import "math"

// lfu evicts what was used least often, where a use counts half after some
// tokens: least frequently used with exponential ageing. Instead of ageing
// every count at each step, later uses count more, and all counts are scaled
// down before they grow out of range.
type lfu struct {
	ranking
	buf    []int
	unit   float64 // what a use now counts
	growth float64 // of unit, at each step
}

// rescaleAt bounds the unit: far below the largest float32, so that sums stay
// finite, and far above 1, so that scaling is rare.
const rescaleAt = 1 << 60

func newLFU(s Shape, p *params) *lfu {
	half := p.float("half", 16, 0.1, 1e6) // tokens
	return &lfu{ranking: newRanking(s), unit: 1, growth: math.Exp2(1 / (half * float64(s.Layers)))}
}

func (p *lfu) Step(s Step) {
	p.unit *= p.growth
	p.buf = chosen(p.shape, p.buf[:0], s)
	for _, e := range p.buf {
		p.set(s.Layer, e, p.scores[s.Layer*p.shape.Experts+e]+float32(p.unit))
	}
	if p.unit > rescaleAt {
		for i := range p.scores {
			p.scores[i] /= float32(p.unit)
		}
		p.unit = 1
		// Counts that became zero are now equal: the order may have changed.
		for l := range p.best {
			p.best[l] = unknown
		}
	}
}

// Warm makes the counts what the heat leads to in the long run.
func (p *lfu) Warm(h *Heat) {
	lasting := 1 / (1 - 1/math.Pow(p.growth, float64(p.shape.Layers)))
	for l := range p.shape.Layers {
		scores := p.layer(l)
		for e := range scores {
			scores[e] = float32(p.unit*lasting) * h.Rate(Key{Layer: uint16(l), Expert: uint16(e)})
		}
	}
}
