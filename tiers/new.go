package tiers

import (
	"errors"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/policy"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// New makes the cache of a checkpoint, which stays the caller's. The cache must
// be closed.
func New(ck *checkpoint.Checkpoint, o Options) (*Cache, error) {
	o.setDefaults()
	c := &Cache{options: o, log: o.Log, ck: ck, kick: make(chan struct{}, 1), stop: make(chan struct{})}
	c.guard.changed = c.changed
	c.assemble()
	if err := c.open(); err != nil {
		c.release()
		return nil, err
	}
	c.keeper.Go(c.keep)
	return c, nil
}

// assemble joins the parts.
func (c *Cache) assemble() {
	o := c.options
	c.table = newTable(c.ck)
	c.slots = &slots{high: o.High, low: o.Low}
	c.observer = &observer{counters: counters{errors: map[string]int64{}}}
	c.streams = &streams{layers: c.ck.Config().Layers}
	c.evictor = &evictor{table: c.table, streams: c.streams, stats: c.observer, learned: o.Learned}
	c.loader = &loader{
		guard: &c.guard, table: c.table, slots: c.slots, evictor: c.evictor, stats: c.observer,
		log: c.log, fill: filler{hook: o.SlotHook}, maxWait: o.MaxWait, wake: c.wake,
	}
	c.prefetch = &prefetcher{
		table: c.table, slots: c.slots, evictor: c.evictor, loader: c.loader,
		streams: c.streams, stats: c.observer, forecasts: !o.NoForecast,
	}
}

// open acquires what New needs; release gives it back.
func (c *Cache) open() (err error) {
	d := &c.loader.fill
	memory := ram.Options{NoHuge: c.options.NoHuge, Memfd: c.options.Memfd}
	if d.drive, err = nvme.Open(c.ck.Files(), c.options.NVMe); err != nil {
		return err
	}
	if d.experts, err = ram.Open(memory); err != nil {
		return err
	}
	if d.dense, err = ram.Open(memory); err != nil {
		return err
	}
	// The first slot tells what a slot really takes.
	first, err := d.experts.NewSlot(c.ck.ExpertSize())
	if err != nil {
		return err
	}
	d.made(first)
	d.stock = make(chan *ram.Slot, c.ck.Config().TopK)
	c.slots.count, c.slots.free, c.slots.bytes = 1, []*ram.Slot{first}, first.Allocated()
	c.evictor.bytes = c.slots.bytes

	budget := c.options.Budget
	config := c.ck.Config()
	c.shape = expertfs.Shape{Layers: config.Layers, Experts: config.Experts, TopK: config.TopK, ExpertBytes: c.slots.bytes, Budget: budget}
	c.prefetch.shape = c.shape
	if c.prefetch.bytes = c.options.PrefetchBytes; c.prefetch.bytes <= 0 {
		c.prefetch.bytes = 2 * int64(config.TopK) * c.slots.bytes
	}
	if err := c.allowed(budget); err != nil {
		return err
	}
	c.slots.budget = budget
	c.warnBudget(budget)
	if err := c.fitLimit(budget); err != nil {
		return err
	}
	if c.observer.heat = c.options.Heat; c.observer.heat == nil {
		c.observer.heat = policy.NewHeat(c.shape)
	}
	c.table.shown = c.newResidency()
	c.shared = &Reader{c, c.streams.addShared()}
	if err := c.SetPolicy(c.options.Policy); err != nil {
		return err
	}
	c.observer.events, err = newEvents(c.options, c.shape)
	return err
}

// Close ends the loads under way and gives everything back. Opens that wait
// get ErrClosed. Handles still open must not be used any more, except for
// Release.
func (c *Cache) Close() error {
	c.guard.Lock()
	if c.loader.closed {
		c.guard.Unlock()
		return nil
	}
	c.loader.close()
	for _, s := range c.streams.list {
		if ended, ok := s.steps.Flush(); ok {
			c.learn(s, ended)
		}
	}
	c.guard.Unlock()
	close(c.stop)
	c.keeper.Wait()
	if lost := c.observer.events.close(); lost > 0 {
		c.log.Warn("the trace and the shadow policies were too slow for the readers", "lost_events", lost)
	}
	c.resizing.Lock()
	defer c.resizing.Unlock()
	return c.release()
}

// release gives back what there is, also after half an open.
func (c *Cache) release() error {
	d := &c.loader.fill
	var errs []error
	if d.drive != nil {
		errs = append(errs, d.drive.Close())
	}
	c.loader.running.Wait()
	d.destock()
	for _, s := range c.slots.free {
		d.closeSlot(s)
	}
	c.slots.free = nil
	for _, row := range append([][]*entry{c.table.dense}, c.table.experts...) {
		for _, e := range row {
			if e.slot != nil {
				d.closeSlot(e.slot)
				e.slot = nil
			}
		}
	}
	for _, t := range []*ram.Tier{d.experts, d.dense} {
		if t != nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(append(errs, c.table.shown.close())...)
}
