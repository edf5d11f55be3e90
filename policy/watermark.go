package policy

import (
	"iter"

	"expertfs"
)

// watermark is the dual form of the two-level MoE cache (Shinnku Nikaidou,
// 2025): RAM has a price, lambda, and an expert is kept while its value per
// byte is at least that. The price rises while what is worth keeping exceeds
// the target share of the budget and falls while it does not, so that in the
// long run the keepers fill the target. An expert that fell below the price
// by the margin is given up and one that rose above it by the margin is kept
// again; between the two it stays what it was (hysteresis), so that small
// moves of value or price evict nobody.
//
// Value is the average chance of use, as in ewma. Those given up go first, in
// the order in which they were; then the others by value per byte.
type watermark struct {
	shape   expertfs.Shape
	keepers ranking // those worth keeping, by value
	givenUp fifo    // the other residents
	rates   averages
	target  float64 // share of the budget
	eta     float64 // how fast the price moves
	margin  float32 // of the price
	lambda  float32
	kept    int64                  // bytes worth keeping
	size    map[expertfs.Key]int64 // of each resident
	pace    pace
	used    []int // scratch
}

func newWatermark(s expertfs.Shape, p *params) *watermark {
	w := &watermark{
		shape:   s,
		keepers: newRanking(s),
		givenUp: *newFIFO(),
		rates:   newAverages(s, p),
		target:  p.float("target", 0.9, 0.01, 1),
		eta:     p.float("eta", 0.01, 0, 1),
		margin:  float32(p.float("margin", 0.1, 0, 0.9)),
		size:    map[expertfs.Key]int64{},
		pace:    newPace(s),
	}
	w.Warm(NewHeat(s))
	return w
}

func (p *watermark) Insert(k expertfs.Key, bytes int64) {
	p.Remove(k)
	p.size[k] = bytes
	p.keep(k)
}

// Touch matters only to experts without a score.
func (p *watermark) Touch(k expertfs.Key) { p.keepers.Touch(k) }

func (p *watermark) Remove(k expertfs.Key) {
	if p.keeps(k) {
		p.kept -= p.size[k]
	}
	p.keepers.Remove(k)
	p.givenUp.Remove(k)
	delete(p.size, k)
}

// keeps tells whether k is resident and worth keeping.
func (p *watermark) keeps(k expertfs.Key) bool {
	_, resident := p.size[k]
	return resident && !p.givenUp.has(k)
}

func (p *watermark) keep(k expertfs.Key) {
	p.givenUp.Remove(k)
	p.keepers.Insert(k, p.size[k])
	p.kept += p.size[k]
}

func (p *watermark) giveUp(k expertfs.Key) {
	p.kept -= p.size[k]
	p.keepers.Remove(k)
	p.givenUp.Insert(k, p.size[k])
}

func (p *watermark) Step(s Step) {
	if s.Layer < 0 || s.Layer >= p.shape.Layers {
		return
	}
	p.pace.step(s)
	p.used = chosen(p.shape, p.used[:0], s)
	rates := p.rates.visit(s.Layer, p.used, p.pace.streams())
	p.keepers.setLayer(s.Layer, rates)
	p.reprice()
	for e, rate := range rates {
		k := expertfs.Key{Layer: uint16(s.Layer), Expert: uint16(e)}
		bytes, resident := p.size[k]
		if !resident {
			continue
		}
		density := rate * weight(p.shape, bytes)
		switch keeps := p.keeps(k); {
		case keeps && density < p.lambda*(1-p.margin):
			p.giveUp(k)
		case !keeps && density > p.lambda*(1+p.margin):
			p.keep(k)
		}
	}
}

// Warm begins with the rates of an earlier run.
func (p *watermark) Warm(h *Heat) {
	p.rates.warm(h)
	for l := range p.shape.Layers {
		p.keepers.setLayer(l, p.rates.layer(l))
	}
}

// reprice moves the price by how far the keepers are from the target.
func (p *watermark) reprice() {
	if p.shape.Budget <= 0 {
		return
	}
	usage := float64(p.kept) / float64(p.shape.Budget)
	p.lambda = max(p.lambda+float32(p.eta*(usage-p.target)*float64(uniform(p.shape))), 0)
}

func (p *watermark) Victims() iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		for k := range p.givenUp.Victims() {
			if !yield(k) {
				return
			}
		}
		for k := range p.keepers.victims(level) {
			if !yield(k) {
				return
			}
		}
	}
}

// Resize changes what the target is a share of.
func (p *watermark) Resize(budget int64) { p.shape.Budget = budget }

// EndStream takes a stream from those whose next visits count.
func (p *watermark) EndStream(stream int) { p.pace.end(stream) }

// Value is the chance that any active stream uses k at its next visit.
func (p *watermark) Value(k expertfs.Key) float64 { return p.pace.anyOf(p.rates.of(k)) }
