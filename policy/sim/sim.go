// Package sim is a cache of experts without their bytes: what a policy would
// have hit. The simulator of package replay and the shadows of package shadow
// are made of it, so that both play by the rules of package policy.
package sim

import (
	"slices"

	"expertfs"
	"expertfs/policy"
)

// Cache is a cache of one policy. It is not safe for concurrent use.
type Cache struct {
	shape    expertfs.Shape
	policy   policy.Policy
	resident []bool                 // by layer, then expert
	missed   []bool                 // the last use was no hit; by layer, then expert
	due      []bool                 // loaded for a use that is foreseen, and still to be counted as a miss
	told     map[int][]expertfs.Key // by stream: of whose uses in the present step the policy has been told
	left     int64                  // bytes of the budget
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
	return &Cache{shape: s, policy: p, resident: make([]bool, experts), missed: make([]bool, experts),
		due: make([]bool, experts), told: map[int][]expertfs.Key{}, left: s.Budget}
}

// Step takes a step. Order it before the accesses of its keys where it is
// announced, after them where it is found.
func (c *Cache) Step(s policy.Step) {
	if !s.Found {
		c.told[s.Stream] = c.told[s.Stream][:0]
	}
	c.policy.Step(s)
}

// Foresee does at once what the accesses of an announced step will do, but for the
// count, as a live cache does to begin its loads early. The keys are those of the step
// that such a cache has foreseen. It ends where there is room only in place of the steps
// in progress: then the accesses do the rest.
func (c *Cache) Foresee(stream int, keys []expertfs.Key, streams *policy.Streams) {
	for _, k := range keys {
		if !c.shape.Contains(k) {
			continue
		}
		at := c.index(k)
		if c.resident[at] {
			c.policy.Touch(k)
		} else if c.makeRoom(streams, true) {
			c.insert(k)
			c.due[at] = true
		} else {
			return
		}
		c.told[stream] = append(c.told[stream], k)
	}
}

// takeTold tells whether the policy has been told of a use that comes now.
func (c *Cache) takeTold(stream int, k expertfs.Key) bool {
	i := slices.Index(c.told[stream], k)
	if i < 0 {
		return false
	}
	c.told[stream] = slices.Delete(c.told[stream], i, i+1)
	return true
}

// index is where an expert of the model stands in resident, missed and due.
func (c *Cache) index(k expertfs.Key) int { return int(k.Layer)*c.shape.Experts + int(k.Expert) }

// EndStream says that the reader of a stream has gone, after its last step.
func (c *Cache) EndStream(stream int) {
	delete(c.told, stream)
	if p, ok := c.policy.(policy.StreamEnder); ok {
		p.EndStream(stream)
	}
}

// Access has a stream use one expert, loads it on a miss, and tells whether it was a
// hit. The steps that the streams are in protect their keys. Keys outside the
// shape are misses that are not loaded.
func (c *Cache) Access(stream int, k expertfs.Key, streams *policy.Streams) bool {
	if !c.shape.Contains(k) {
		c.uses.Misses++
		return false
	}
	at, told := c.index(k), c.takeTold(stream, k)
	c.missed[at] = !c.resident[at] || c.due[at]
	switch {
	case c.due[at]:
		c.due[at] = false
	case c.resident[at]:
		c.uses.Hits++
		if !told {
			c.policy.Touch(k)
		}
		return true
	case c.makeRoom(streams, false):
		c.insert(k)
	}
	c.uses.Misses++
	return false
}

// insert makes an expert resident for which there is room.
func (c *Cache) insert(k expertfs.Key) {
	c.resident[c.index(k)] = true
	c.left -= c.shape.ExpertBytes
	c.policy.Insert(k, c.shape.ExpertBytes)
}

// Join uses an expert that is being loaded for another use in the cache that this
// one is compared with. Loads take no time here, so the last use of the expert
// tells: if that was a miss, this one would have waited for it too.
func (c *Cache) Join(stream int, k expertfs.Key, streams *policy.Streams) {
	if !c.shape.Contains(k) || c.missed[c.index(k)] {
		c.takeTold(stream, k)
		c.uses.Joins++
		return
	}
	c.Access(stream, k, streams)
}

// makeRoom evicts until one more expert fits, beside the steps in progress alone if
// they are to be spared. It fails where not even one does.
func (c *Cache) makeRoom(streams *policy.Streams, spare bool) bool {
	for c.left < c.shape.ExpertBytes {
		if !c.evict(streams, spare) {
			return false
		}
	}
	return true
}

// evict removes the best victim, if there is one.
func (c *Cache) evict(streams *policy.Streams, spare bool) bool {
	var victim expertfs.Key
	found := false
	for victim = range streams.Victims(c.policy) {
		found = true
		break
	}
	if !found || spare && streams.Active(victim) {
		return false
	}
	at := c.index(victim)
	c.resident[at], c.due[at] = false, false
	c.left += c.shape.ExpertBytes
	c.policy.Remove(victim) // only now: a policy does not change while it lists victims
	return true
}

// Resize changes the budget and evicts what no longer fits.
func (c *Cache) Resize(budget int64, streams *policy.Streams) {
	c.left += budget - c.shape.Budget
	c.shape.Budget = budget
	c.policy.Resize(budget)
	for c.left < 0 && c.evict(streams, false) {
	}
}

// Uses counts since the cache was made.
func (c *Cache) Uses() expertfs.Uses { return c.uses }
