package tiers

import "expertfs/policy"

// foresight is how many layers ahead the policy's forecast is acted upon. It is
// little worse for the third layer than for the first, and a layer computes for
// no longer than an expert takes to be read.
const foresight = 3

// foreseenChance is the least chance of use at which an expert is read ahead of
// any reader's wish. On recorded routing six of ten such experts are used. A
// lower one saves no more time: what is read in vain is in the way of what
// readers wait for.
const foreseenChance = 0.4

// foresee prefetches what the policy takes to be likely in the layers after the
// present one, of which the step has chosen n experts. A batch of a prompt is
// followed by batches, of which the policy has no forecast.
//
// It needs no hints, so that it serves every reader, and it acts where readers
// cannot guess: on experts whose use follows from the routing so far. Half of
// the prefetches under way are left to the readers' hints.
func (c *Cache) foresee(n int) {
	forecaster, ok := c.policy.(policy.Forecaster)
	if !ok || c.options.NoForesight || n > c.shape.TopK || c.closed {
		return
	}
	for ahead := range min(foresight, c.shape.Layers-1) {
		for _, e := range c.experts[(c.layer+1+ahead)%c.shape.Layers] {
			if e.slot != nil || e.load != nil {
				continue
			}
			chance := forecaster.Forecast(0, e.key)
			if chance < foreseenChance {
				continue
			}
			if int64(len(c.guesses)+1)*c.charge > c.options.PrefetchBytes/2 {
				return
			}
			if c.guess(e, chance) {
				c.counters.prefetches++
			}
		}
	}
}
