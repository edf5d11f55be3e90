package tiers

import (
	"cmp"
	"slices"

	"expertfs"
	"expertfs/policy"
)

// hintChance is the chance of use that a reader's prefetch hint is worth, when
// the policy does not think better of it: published predictors of the next
// layer's experts are right in 40 to 88 cases of 100.
const hintChance = 0.5

// forecastLayers is how many layers ahead the policy's forecast is acted upon. It
// is little worse for the fourth layer than for the first, and a layer computes
// for no longer than an expert takes to be read. What is read for later ones would
// not be spared, see soonWithin.
const forecastLayers = soonWithin

// forecastChance is the least chance of use at which an expert is read ahead of
// any reader's wish. On recorded routing six of ten such experts are used. A
// lower one saves no more time: what is read in vain is in the way of what
// readers wait for.
const forecastChance = 0.4

// prefetcher reads experts before they are used: those that readers' hints name,
// those that the policy's forecast takes to be likely, and those that the
// policy wants in an empty RAM. A prefetch gets the time of the drive that
// waiting readers leave, and a slot that is free or holds what the policy gives
// a smaller chance.
//
// INVARIANT: prefetches under way take at most bytes, and each active reader
// has an equal part of them.
type prefetcher struct {
	shape   expertfs.Shape
	table   *table
	slots   *slots
	evictor *evictor
	loader  *loader
	streams *streams
	stats   *observer
	bytes   int64
	// forecasts tells whether the policy's forecast is acted upon.
	forecasts bool

	// GUARDED BY guard.
	likely []forecast     // scratch
	dear   float64        // no victim is worth less than this, as far as the present call has found
	wanted []expertfs.Key // by the policy for an empty RAM, not loaded yet
}

// hint takes a reader's word that experts will probably be used soon. What finds
// no room is dropped.
func (p *prefetcher) hint(s *stream, keys []expertfs.Key) {
	p.dear = 0
	for _, k := range keys {
		e := p.table.expert(k)
		switch {
		case e == nil || e.slot != nil:
			continue
		case e.load != nil:
			e.load.alsoFor(want{s, s.next(int(k.Layer))})
			continue
		}
		p.stats.prefetch.Asked++
		chance := hintChance
		if valuer, ok := p.evictor.policy.(policy.Valuer); ok {
			chance = max(chance, valuer.Value(k))
		}
		if !p.begin(s, e, chance, 1) {
			p.stats.prefetch.Dropped++
		}
	}
}

// stepped acts on a step of a reader. What was prefetched for it in this layer,
// is not used, and has not been read to the end is given up, unless another
// reader wants it too. Then what the forecast says of its next layers is begun.
func (p *prefetcher) stepped(s *stream, layer int, used []expertfs.Key) {
	for _, l := range p.loader.speculative {
		if int(l.e.key.Layer) != layer || l.warming || slices.Contains(used, l.e.key) {
			continue
		}
		if l.notFor(s) {
			p.loader.giveUp(l)
		}
	}
	p.forecast(s, len(used))
}

// forecast prefetches what the policy takes to be likely in the layers after the
// present one, of which the step has chosen n experts. A batch of a prompt is
// followed by batches, of which the policy has no forecast.
//
// It needs no hints, so that it serves every reader, and it acts where readers
// cannot predict: on experts whose use follows from the routing so far. Half of
// the prefetches under way are left to the readers' hints.
func (p *prefetcher) forecast(s *stream, n int) {
	forecaster, ok := p.evictor.policy.(policy.Forecaster)
	if !ok || !p.forecasts || n > p.shape.TopK || p.loader.closed {
		return
	}
	p.dear = 0
	p.likely = p.likely[:0]
	for ahead := range min(forecastLayers, p.shape.Layers-1) {
		for _, e := range p.table.experts[(s.layer+1+ahead)%p.shape.Layers] {
			if e.slot != nil || e.load != nil {
				continue
			}
			if chance := forecaster.Forecast(s.number, e.key); chance >= forecastChance {
				p.likely = append(p.likely, forecast{e, chance})
			}
		}
	}
	// There is seldom room for all.
	slices.SortStableFunc(p.likely, func(a, b forecast) int { return cmp.Compare(b.chance, a.chance) })
	for _, f := range p.likely {
		if !p.room(s, 2) {
			return
		}
		if p.begin(s, f.e, f.chance, 2) {
			p.stats.prefetch.Asked++
		}
	}
}

// forecast is an absent expert that the policy takes to be likely.
type forecast struct {
	e      *entry
	chance float64
}

// begin starts a prefetch of what a reader will use with a given chance, if
// there is room for it in 1/part of the bound.
func (p *prefetcher) begin(s *stream, e *entry, chance float64, part int64) bool {
	if !p.room(s, part) || len(p.loader.queue) > 0 || p.slots.over() {
		return false
	}
	var victim *entry
	if !p.slots.ready() {
		if chance > p.dear {
			victim = p.evictor.victimBelow(chance)
		}
		if victim == nil {
			p.dear = max(p.dear, chance)
			return false
		}
	}
	p.loader.speculate(e, victim, chance, want{s, s.next(int(e.key.Layer))})
	return true
}

// room tells whether one more prefetch for a reader stays within its part of
// 1/part of the bound. One is always granted while the whole has room.
func (p *prefetcher) room(s *stream, part int64) bool {
	under := int64(len(p.loader.speculative)+1) * p.slots.bytes
	if under > p.bytes/part {
		return false
	}
	readers := int64(p.streams.active())
	if readers == 1 {
		return true
	}
	own := int64(0)
	for _, l := range p.loader.speculative {
		if len(l.wants) > 0 && l.wants[0].stream == s {
			own++
		}
	}
	return own == 0 || (own+1)*p.slots.bytes <= p.bytes/part/readers
}

// forget gives up what is under way for a reader that has gone, alone.
func (p *prefetcher) forget(s *stream) {
	for _, l := range p.loader.speculative {
		if l.warming {
			continue
		}
		if l.notFor(s) {
			p.loader.giveUp(l)
		}
	}
}

// ask asks the policy what to load before it is used.
func (p *prefetcher) ask() {
	p.wanted = nil
	if w, ok := p.evictor.policy.(policy.Prewarmer); ok {
		p.wanted = w.Wanted()
		p.loader.wake()
	}
}

// warm goes on to load what the policy wants, a few at a time, while there are
// slots that nobody has had. It stops for good where there are none.
func (p *prefetcher) warm() {
	for !p.loader.closed && len(p.wanted) > 0 && int64(len(p.loader.speculative)+1)*p.slots.bytes <= p.bytes {
		if len(p.loader.queue) > 0 || !p.slots.ready() || p.slots.above(p.slots.high) {
			p.wanted = nil
			return
		}
		e := p.table.expert(p.wanted[0])
		p.wanted = p.wanted[1:]
		if e != nil && e.slot == nil && e.load == nil {
			p.loader.speculate(e, nil, 0)
		}
	}
}
