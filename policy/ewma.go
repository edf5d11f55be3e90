package policy

import (
	"iter"
	"math"
)

// ewma estimates the chance that an expert is used at a visit of its layer by
// an exponentially weighted moving average over the visits, and values it by
// chance x exp(-gamma D), D being the layers until the next visit: the form of
// the predictor of the two-level MoE cache (Shinnku Nikaidou, 2025). The clock
// of the average is local to the layer; a visit that does not use an expert is
// evidence too.
type ewma struct {
	ranking
	alpha     float64
	discounts []float32 // by layers until the next visit
	last      int       // the layer visited last
	buf       []int
}

func newEWMA(s Shape, p *params) *ewma {
	e := &ewma{
		ranking:   newRanking(s),
		alpha:     p.float("alpha", 0.05, 0.0001, 1),
		discounts: make([]float32, s.Layers+1),
	}
	gamma := p.float("gamma", 0.02, 0, 10)
	for d := range e.discounts {
		e.discounts[d] = float32(math.Exp(-gamma * float64(d)))
	}
	e.Warm(NewHeat(s))
	return e
}

func (p *ewma) Step(s Step) {
	if s.Layer < 0 || s.Layer >= p.shape.Layers {
		return
	}
	p.last = s.Layer
	p.average(p.layer(s.Layer), s)
}

// average takes a step into the averages of its layer.
func (p *ewma) average(rates []float32, s Step) {
	keep, add := float32(1-p.alpha), float32(p.alpha)
	for e := range rates {
		rates[e] *= keep
	}
	p.buf = chosen(p.shape, p.buf[:0], s)
	for _, e := range p.buf {
		rates[e] += add
	}
}

// Warm begins with the rates of an earlier run.
func (p *ewma) Warm(h *Heat) {
	for l := range p.shape.Layers {
		scores := p.layer(l)
		for e := range scores {
			scores[e] = h.Rate(Key{Layer: uint16(l), Expert: uint16(e)})
		}
	}
}

func (p *ewma) Victims() iter.Seq[Key] { return p.victims(p.discount) }

// discount is the factor for the layers until the next visit.
func (p *ewma) discount(layer int) float32 {
	return p.discounts[distance(p.shape, p.last, layer)]
}

// Value is the chance at the next visit.
func (p *ewma) Value(k Key) float64 {
	if !p.shape.Contains(k) {
		return 0
	}
	return min(max(float64(p.scores[p.index(k)]), 0), 1)
}
