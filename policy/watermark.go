package policy

import "iter"

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
	ewma            // the ranking of it holds the experts worth keeping
	target  float64 // share of the budget
	eta     float64 // how fast the price moves
	margin  float32 // of the price
	lambda  float32
	kept    int64         // bytes worth keeping
	size    map[Key]int64 // of each resident
	givenUp fifo
}

func newWatermark(s Shape, p *params) *watermark {
	w := &watermark{
		ewma:    *newEWMA(s, p),
		target:  p.float("target", 0.9, 0.01, 1),
		eta:     p.float("eta", 0.01, 0, 1),
		margin:  float32(p.float("margin", 0.1, 0, 0.9)),
		size:    map[Key]int64{},
		givenUp: *newFIFO(),
	}
	return w
}

func (p *watermark) Insert(k Key, bytes int64) {
	p.Remove(k)
	p.size[k] = bytes
	p.keep(k)
}

func (p *watermark) Remove(k Key) {
	if p.keeps(k) {
		p.kept -= p.size[k]
	}
	p.ranking.Remove(k)
	p.givenUp.Remove(k)
	delete(p.size, k)
}

// keeps tells whether k is resident and worth keeping.
func (p *watermark) keeps(k Key) bool {
	_, given := p.givenUp.nodes[k]
	_, resident := p.size[k]
	return resident && !given
}

func (p *watermark) keep(k Key) {
	p.givenUp.Remove(k)
	p.ranking.Insert(k, p.size[k])
	p.kept += p.size[k]
}

func (p *watermark) giveUp(k Key) {
	p.kept -= p.size[k]
	p.ranking.Remove(k)
	p.givenUp.Insert(k, p.size[k])
}

func (p *watermark) Step(s Step) {
	layer := s.Layer
	if layer < 0 || layer >= p.shape.Layers {
		return
	}
	p.ewma.Step(s)
	p.reprice()
	for e := range p.shape.Experts {
		k := Key{Layer: uint16(layer), Expert: uint16(e)}
		bytes, resident := p.size[k]
		if !resident {
			continue
		}
		density := p.scores[p.index(k)] * weight(p.shape, bytes)
		switch keeps := p.keeps(k); {
		case keeps && density < p.lambda*(1-p.margin):
			p.giveUp(k)
		case !keeps && density > p.lambda*(1+p.margin):
			p.keep(k)
		}
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

func (p *watermark) Victims() iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for k := range p.givenUp.Victims() {
			if !yield(k) {
				return
			}
		}
		for k := range p.ranking.Victims() {
			if !yield(k) {
				return
			}
		}
	}
}

// Resize changes what the target is a share of.
func (p *watermark) Resize(budget int64) { p.shape.Budget = budget }
