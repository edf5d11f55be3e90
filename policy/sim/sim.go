// Package sim is a cache of experts without their bytes: what a policy would
// have hit. The simulator of package replay and the ghosts of package shadow
// are made of it, so that both play by the rules of package policy.
package sim

import (
	"expertfs"
	"expertfs/policy"
)

// Cache is a cache of one policy. It is not safe for concurrent use.
type Cache struct {
	shape    policy.Shape
	policy   policy.Policy
	resident []bool // by layer, then expert
	left     int64  // bytes of the budget
	hits     int64
	accesses int64
}

// New makes an empty cache; the spec is one of policy.New.
func New(spec string, s policy.Shape, seed uint64) (*Cache, error) {
	p, err := policy.New(spec, s, seed)
	if err != nil {
		return nil, err
	}
	return &Cache{shape: s, policy: p, resident: make([]bool, s.Layers*s.Experts), left: s.Budget}, nil
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
func (c *Cache) Access(k policy.Key, streams *policy.Streams) bool {
	c.accesses++
	if int(k.Layer) >= c.shape.Layers || int(k.Expert) >= c.shape.Experts {
		return false
	}
	slot := &c.resident[int(k.Layer)*c.shape.Experts+int(k.Expert)]
	if *slot {
		c.hits++
		c.policy.Touch(k)
		return true
	}
	if c.makeRoom(streams) {
		*slot = true
		c.left -= c.shape.ExpertBytes
		c.policy.Insert(k, c.shape.ExpertBytes)
	}
	return false
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
	for k := range streams.Victims(c.policy) {
		defer c.policy.Remove(k) // the iteration has ended then
		c.resident[int(k.Layer)*c.shape.Experts+int(k.Expert)] = false
		c.left += c.shape.ExpertBytes
		return true
	}
	return false
}

// Resize changes the budget and evicts what no longer fits.
func (c *Cache) Resize(budget int64, streams *policy.Streams) {
	c.left += budget - c.shape.Budget
	c.shape.Budget = budget
	c.policy.Resize(budget)
	for c.left < 0 && c.evict(streams) {
	}
}

// Hits and Accesses count since the cache was made.
func (c *Cache) Hits() int64     { return c.hits }
func (c *Cache) Accesses() int64 { return c.accesses }

// Uses are the accesses, as a mount counts them. Nobody joins a load here: it takes
// no time.
func (c *Cache) Uses() expertfs.Uses {
	return expertfs.Uses{Hits: c.hits, Misses: c.accesses - c.hits}
}
