package tiers

import "expertfs/policy"

// foresight is how many layers ahead the policy's forecast is acted upon. The
// forecast of a layer is better the nearer it is; one layer computes for about
// as long as an expert takes to be read.
const foresight = 2

// foreseenChance is the least chance of use at which an expert is read ahead of
// any reader's wish. Below it, more than half of the reading is for nothing and
// is in the way of what readers wait for.
const foreseenChance = 0.5

// foresee prefetches what the policy takes to be likely in the layers after the
// present one, of which the step has chosen n experts. A batch of a prompt is
// followed by batches, of which the policy has no forecast.
//
// It needs no hints, so that it serves every reader, and it acts where readers
// cannot guess: on experts whose use follows from the routing so far.
func (c *Cache) foresee(n int) {
	valuer, ok := c.policy.(policy.Valuer)
	if !ok || c.options.NoForesight || n > c.shape.TopK {
		return
	}
	for ahead := range min(foresight, c.shape.Layers-1) {
		for _, e := range c.experts[(c.layer+1+ahead)%c.shape.Layers] {
			if e.slot == nil && e.load == nil && valuer.Value(e.key) > foreseenChance {
				c.ask(e)
			}
		}
	}
}
