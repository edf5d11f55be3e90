package policy

import (
	"cmp"
	"iter"
	"slices"

	"expertfs"
)

// pin keeps the experts that are used most in the long run, and never forgets:
// the expert caches that pin a hot set (Fiddler, arXiv 2402.07033, and the hot
// lists of many engines). With the heat of an earlier run it wants the hottest
// loaded at once and keeps them; without, it learns them as it goes. Where all
// experts fit it is the whole model in RAM.
type pin struct {
	ranking
	heat *Heat
	pace pace
}

func newPin(s expertfs.Shape) *pin {
	return &pin{ranking: newRanking(s), heat: NewHeat(s), pace: newPace(s)}
}

func (p *pin) Step(s Step) {
	if s.Layer < 0 || s.Layer >= p.shape.Layers {
		return
	}
	p.pace.step(s)
	p.heat.Step(s)
	p.show(s.Layer)
}

// show makes the scores of a layer its heat.
func (p *pin) show(layer int) {
	p.setLayer(layer, p.heat.rates[layer*p.shape.Experts:])
}

// Warm begins with a copy of the heat, which counts as much as it is old.
func (p *pin) Warm(h *Heat) {
	for l := range p.shape.Layers {
		for e := range p.shape.Experts {
			k := expertfs.Key{Layer: uint16(l), Expert: uint16(e)}
			p.heat.Set(k, h.Rate(k), h.Visits(l))
		}
		p.show(l)
	}
}

// Wanted lists as many of the hottest experts as fit.
func (p *pin) Wanted() []expertfs.Key {
	keys := make([]expertfs.Key, 0, len(p.scores))
	for l := range p.shape.Layers {
		for e := range p.shape.Experts {
			keys = append(keys, expertfs.Key{Layer: uint16(l), Expert: uint16(e)})
		}
	}
	slices.SortStableFunc(keys, func(a, b expertfs.Key) int {
		return cmp.Compare(p.scores[p.index(b)], p.scores[p.index(a)])
	})
	return keys[:min(len(keys), p.shape.Capacity())]
}

func (p *pin) Victims() iter.Seq[expertfs.Key] { return p.victims(level) }

// Resize changes how many experts are wanted.
func (p *pin) Resize(budget int64) { p.shape.Budget = budget }

// EndStream takes a stream from those whose next visits count.
func (p *pin) EndStream(stream int) { p.pace.end(stream) }

// Value is the chance that any active stream uses k at its next visit, from the
// long-run share of visits that do.
func (p *pin) Value(k expertfs.Key) float64 { return p.pace.anyOf(float64(p.heat.Rate(k))) }
