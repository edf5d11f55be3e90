package policy

import (
	"slices"

	"expertfs"
)

// pace follows the streams through the model: where each is, and which of them
// are active. It counts in steps, as policies have no clock.
type pace struct {
	layers int
	steps  int64             // of all streams
	at     [MaxStreams]int   // the layer of a stream's last step
	last   [MaxStreams]int64 // the number of that step, from 1
	active []int             // streams, that longest active first
}

// idleAfter is how many tokens the other active streams decode, each, after the
// last step of one, until that one is not active any more: its reader waits for
// something, and what it will use is not used soon.
const idleAfter = 2

func newPace(s expertfs.Shape) pace { return pace{layers: s.Layers} }

// step takes a step of a layer of the model. It tells whether other streams
// are active now than before.
func (p *pace) step(s Step) (changed bool) {
	stream := streamIndex(s.Stream)
	p.steps++
	p.at[stream], p.last[stream] = s.Layer, p.steps
	if changed = !slices.Contains(p.active, stream); changed {
		p.active = append(p.active, stream)
	}
	limit := p.steps - int64(idleAfter*p.layers*(len(p.active)-1))
	before := len(p.active)
	p.active = slices.DeleteFunc(p.active, func(stream int) bool { return p.last[stream] < limit })
	return changed || len(p.active) < before
}

// end takes a stream from the active ones. It tells whether it was one.
func (p *pace) end(stream int) (changed bool) {
	i := slices.Index(p.active, streamIndex(stream))
	if i < 0 {
		return false
	}
	p.active = slices.Delete(p.active, i, i+1)
	return true
}

// streams is how many are active, 1 before the first step.
func (p *pace) streams() int { return max(len(p.active), 1) }

// distance is the number of layers until the next visit of one, by the active
// stream that comes to it first: 1 to the number of layers.
func (p *pace) distance(s expertfs.Shape, layer int) int {
	nearest := s.Layers
	for _, stream := range p.active {
		nearest = min(nearest, distance(s, p.at[stream], layer))
	}
	return nearest
}

// anyOf is the chance that any active stream uses what each uses with a chance.
func (p *pace) anyOf(chance float64) float64 {
	unused := 1 - chance
	for range p.streams() - 1 {
		unused *= 1 - chance
	}
	return 1 - unused
}
