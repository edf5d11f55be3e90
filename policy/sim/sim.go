// Package sim is a cache of experts without their bytes: what a policy would
// have hit. The simulator of package replay and the shadows of package shadow
// are made of it, so that both play by the rules of package policy.
package sim

import (
	"expertfs"
	"expertfs/policy"
)

// Cache is a cache of one policy. It is not safe for concurrent use.
type Cache struct {
	shape    expertfs.Shape
	policy   policy.Policy
	resident []bool // by layer, then expert
	missed   []bool // the last use was no hit; by layer, then expert
	left     int64  // bytes of the budget
	uses     expertfs.Uses
}

// New makes an empty cache; the spec is one of policy.New.
func New(spec string, s expertfs.Shape, seed uint64) (*Cache, error) {
	p, err := policy.New(spec, s, seed)
	if err != nil {
		return nil, err
	}
	return Of(p, s), nil
}

// Of makes an empty cache of a policy, which may have learned before and belongs
// to the cache from then on.
func Of(p policy.Policy, s expertfs.Shape) *Cache {
	experts := s.Layers * s.Experts
	return &Cache{shape: s, policy: p, resident: make([]bool, experts), missed: make([]bool, experts), left: s.Budget}
}

// Step takes a step. Order it before the accesses of its keys where it is
// announced, after them where it is found.
func (c *Cache) Step(s policy.Step) { c.policy.Step(s) }

// EndStream says that the reader of a stream has gone, after its last step.
func (c *Cache) EndStream(stream int) {
	if p, ok := c.policy.(policy.StreamEnder); ok {
		p.EndStream(stream)
	}
}

// Access uses one expert, loads it on a miss, and tells whether it was a hit.
// The steps that the streams are in protect their keys. Keys outside the
// shape are misses that are not loaded.
func (c *Cache) Access(k expertfs.Key, streams *policy.Streams) bool {
	if !c.shape.Contains(k) {
		c.uses.Misses++
		return false
	}
	at := c.index(k)
	c.missed[at] = !c.resident[at]
	if c.resident[at] {
		c.uses.Hits++
		c.policy.Touch(k)
		return true
	}
	c.uses.Misses++
	if c.makeRoom(streams) {
		c.resident[at] = true
		c.left -= c.shape.ExpertBytes
		c.policy.Insert(k, c.shape.ExpertBytes)
	}
	return false
}

// index is the place of an expert of the model in resident and missed.
func (c *Cache) index(k expertfs.Key) int { return int(k.Layer)*c.shape.Experts + int(k.Expert) }

// Join uses an expert that is being loaded for another use in the cache that this
// one is compared with. Loads take no time here, so the last use of the expert
// tells: if that was a miss, this one would have waited for it too.
func (c *Cache) Join(k expertfs.Key, streams *policy.Streams) {
	if c.shape.Contains(k) && !c.missed[c.index(k)] {
		c.Access(k, streams)
		return
	}
	c.uses.Joins++
}

// makeRoom evicts until one more expert fits. It fails where not even one
// does.
func (c *Cache) makeRoom(streams *policy.Streams) bool {
	for c.left < c.shape.ExpertBytes {
		if !c.evict(streams) {
			return false
		}
	}
	return true
}

// evict removes the best victim, if there is a resident.
func (c *Cache) evict(streams *policy.Streams) bool {
	var victim expertfs.Key
	found := false
	for victim = range streams.Victims(c.policy) {
		found = true
		break
	}
	if !found {
		return false
	}
	c.resident[c.index(victim)] = false
	c.left += c.shape.ExpertBytes
	c.policy.Remove(victim) // only now: a policy does not change while it lists victims
	return true
}

// Resize changes the budget and evicts what no longer fits.
func (c *Cache) Resize(budget int64, streams *policy.Streams) {
	c.left += budget - c.shape.Budget
	c.shape.Budget = budget
	c.policy.Resize(budget)
	for c.left < 0 && c.evict(streams) {
	}
}

// Uses counts since the cache was made.
func (c *Cache) Uses() expertfs.Uses { return c.uses }
