package tiers

import (
	"runtime"

	"expertfs"
	"expertfs/tiers/nvme"
)

// Live tells where each expert is now, and how it has been used. It looks at a
// layer at a time, so that an open waits for some microseconds at most; nothing is
// noted between two calls that is not counted anyway.
func (c *Cache) Live() *expertfs.Live {
	l := expertfs.NewLive(expertfs.Names{Layers: c.shape.Layers, Experts: c.shape.Experts})
	for layer, row := range c.table.experts {
		c.liveLayer(l, layer, row)
		runtime.Gosched() // as in mapped
	}
	return l
}

func (c *Cache) liveLayer(l *expertfs.Live, layer int, row []*entry) {
	c.guard.Lock()
	defer c.guard.Unlock()
	heat := c.observer.heat
	known := heat.Visits(layer) > 0
	for _, e := range row {
		now := l.At(e.key)
		now.Uses = e.uses
		if known {
			now.Heat = int(1000*heat.Rate(e.key) + 0.5)
		}
		switch {
		case e.slot != nil:
			now.Place = expertfs.InRAM
		case e.load != nil && e.load.class == nvme.Prefetch:
			now.Place = expertfs.ReadAhead
		case e.load != nil:
			now.Place = expertfs.Loading
		}
	}
}
