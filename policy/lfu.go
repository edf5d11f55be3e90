package policy

import (
	"iter"
	"math"

	"expertfs"
)

// lfu evicts what was used least often, where a use counts half after some
// tokens of each active stream: least frequently used with exponential ageing.
// Instead of ageing every count at each step, later uses count more, and all
// counts are scaled down before they grow out of range.
type lfu struct {
	ranking
	buf       []int
	unit      float64 // what a use now counts
	doublings float64 // of unit, at each step of an only stream
	pace      pace
}

// rescaleAt bounds the unit: far below the largest float32, so that sums stay
// finite, and far above 1, so that scaling is rare.
const rescaleAt = 1 << 60

func newLFU(s expertfs.Shape, p *params) *lfu {
	half := p.float("half", 16, 0.1, 1e6) // tokens
	return &lfu{ranking: newRanking(s), unit: 1, doublings: 1 / (half * float64(s.Layers)), pace: newPace(s)}
}

func (p *lfu) Step(s Step) {
	if s.Layer < 0 || s.Layer >= p.shape.Layers {
		return
	}
	p.pace.step(s)
	p.unit *= math.Exp2(p.doublings / float64(p.pace.streams()))
	p.buf = chosen(p.shape, p.buf[:0], s)
	for _, e := range p.buf {
		p.set(s.Layer, e, p.scores[s.Layer*p.shape.Experts+e]+float32(p.unit))
	}
	if p.unit > rescaleAt {
		for l := range p.shape.Layers {
			for e := range p.shape.Experts {
				// Counts that become zero are then equal.
				p.set(l, e, p.scores[l*p.shape.Experts+e]/float32(p.unit))
			}
		}
		p.unit = 1
	}
}

func (p *lfu) Victims() iter.Seq[expertfs.Key] { return p.victims(level) }
func (p *lfu) Resize(int64)                    {}

// EndStream takes a stream from the active ones.
func (p *lfu) EndStream(stream int) { p.pace.end(stream) }

// Warm makes the counts what the heat leads to in the long run.
func (p *lfu) Warm(h *Heat) {
	lasting := 1 / (1 - 1/math.Exp2(p.doublings*float64(p.shape.Layers)))
	for l := range p.shape.Layers {
		for e := range p.shape.Experts {
			p.set(l, e, float32(p.unit*lasting)*h.Rate(expertfs.Key{Layer: uint16(l), Expert: uint16(e)}))
		}
	}
}
