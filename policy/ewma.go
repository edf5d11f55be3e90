package policy

import (
	"iter"
	"math"

	"expertfs"
)

// ewma estimates the chance that an expert is used at a visit of its layer by
// an exponentially weighted moving average over the visits, and values it by
// chance x exp(-gamma D), D being the layers until the next visit: the form of
// the predictor of the two-level MoE cache (Shinnku Nikaidou, 2025). The clock
// of the average is local to the layer; a visit that does not use an expert is
// evidence too.
//
// The averages are over the visits of all streams; a visit weighs the less, the
// more streams are active, so that they are over as many tokens of each. The
// next visit is that of the active stream that comes first.
type ewma struct {
	ranking
	rates averages
	near  nearness
	used  []int // scratch
}

func newEWMA(s expertfs.Shape, p *params) *ewma {
	e := &ewma{ranking: newRanking(s), rates: newAverages(s, p), near: newNearness(s, p)}
	e.Warm(NewHeat(s))
	return e
}

func (p *ewma) Step(s Step) {
	if s.Layer < 0 || s.Layer >= p.shape.Layers {
		return
	}
	p.near.pace.step(s)
	p.used = chosen(p.shape, p.used[:0], s)
	p.setLayer(s.Layer, p.rates.visit(s.Layer, p.used, p.near.pace.streams()))
}

// Warm begins with the rates of an earlier run.
func (p *ewma) Warm(h *Heat) {
	p.rates.warm(h)
	for l := range p.shape.Layers {
		p.setLayer(l, p.rates.layer(l))
	}
}

func (p *ewma) Victims() iter.Seq[expertfs.Key] { return p.victims(p.near.discount) }
func (p *ewma) Resize(int64)                    {}

// EndStream takes a stream from those whose next visits count.
func (p *ewma) EndStream(stream int) { p.near.pace.end(stream) }

// Value is the chance that any active stream uses k at its next visit.
func (p *ewma) Value(k expertfs.Key) float64 { return p.near.pace.anyOf(p.rates.of(k)) }

// averages are the shares of the visits of a layer that used each expert. The
// last visit of each stream has a weight of alpha, those before have less and
// less.
type averages struct {
	shape expertfs.Shape
	alpha float64
	rates []float32 // by layer, then expert
}

func newAverages(s expertfs.Shape, p *params) averages {
	return averages{s, p.float("alpha", 0.05, 0.0001, 1), make([]float32, s.Layers*s.Experts)}
}

func (a *averages) layer(layer int) []float32 {
	return a.rates[layer*a.shape.Experts:][:a.shape.Experts]
}

// visit takes the experts that a visit used, by one of so many streams, and
// returns the averages of the layer.
func (a *averages) visit(layer int, used []int, streams int) []float32 {
	rates := a.layer(layer)
	alpha := a.alpha / float64(streams)
	keep, add := float32(1-alpha), float32(alpha)
	for e := range rates {
		rates[e] *= keep
	}
	for _, e := range used {
		rates[e] += add
	}
	return rates
}

// warm makes the averages those of an earlier run.
func (a *averages) warm(h *Heat) { copy(a.rates, h.rates) }

// of is the average of an expert, 0 for a key outside the model.
func (a *averages) of(k expertfs.Key) float64 {
	if !a.shape.Contains(k) {
		return 0
	}
	return min(max(float64(a.layer(int(k.Layer))[k.Expert]), 0), 1)
}

// nearness is a factor for the layers until a visit, exp(-gamma D).
type nearness struct {
	shape     expertfs.Shape
	pace      pace
	discounts []float32 // by layers until the visit
}

func newNearness(s expertfs.Shape, p *params) nearness {
	n := nearness{s, newPace(s), make([]float32, s.Layers+1)}
	gamma := p.float("gamma", 0.02, 0, 10)
	for d := range n.discounts {
		n.discounts[d] = float32(math.Exp(-gamma * float64(d)))
	}
	return n
}

// discount is the factor for the layers until the next visit of one.
func (n *nearness) discount(layer int) float32 {
	return n.discounts[n.pace.distance(n.shape, layer)]
}
