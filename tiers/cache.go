package tiers

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"expertfs/checkpoint"
	"expertfs/policy"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// Errors of opens. Failed loads are a *LoadError.
var (
	ErrBusy   = errors.New("tiers: readers hold every slot of the RAM tier")
	ErrClosed = errors.New("tiers: closed")
	ErrRange  = errors.New("tiers: the model has no such file")
)

// Cache serves the experts of a checkpoint from RAM. Its methods may be called
// concurrently.
type Cache struct {
	options Options
	log     *slog.Logger
	ck      *checkpoint.Checkpoint
	reader  *nvme.Reader
	ram     *ram.Tier // of the experts
	dense   *ram.Tier
	size    int64 // of an expert, in bytes
	charge  int64 // what its slot takes

	resizing sync.Mutex // guards the kernel's limit; taken before mu

	// mu guards what follows, and every field of entries and loads. It is
	// never held during I/O or while a slot is made.
	mu      sync.Mutex
	closed  bool
	shape   policy.Shape
	policy  policy.Policy
	spec    string
	streams policy.Streams
	step    int64 // number of the present step, see due
	layer   int   // that it is in
	heat    *policy.Heat
	wanted  []policy.Key // by the policy, not loaded yet
	experts [][]*entry   // by layer and expert
	denses  []*entry     // by layer, then the unembedding and the embedding
	budget  int64

	slots     int // of experts, those about to be made or closed included
	dying     int // of them, those about to be closed
	lastSlots int64
	draining  bool  // the high watermark was passed, the low one not reached
	uses      int64 // of files, to rank them
	free      []*ram.Slot
	residents int
	held      int       // residents with handles
	line      []*load   // waiting for a slot, longest first
	guesses   []*load   // prefetches under way
	noBirth   time.Time // no new slots until then: memory was short
	counters  counters

	observer *observer // nil when nobody observes

	running sync.WaitGroup // loads under way
	kick    chan struct{}  // wakes the keeper
	stop    chan struct{}
	keeper  sync.WaitGroup
}

// entry is a file whose bytes can be in RAM.
type entry struct {
	key   policy.Key
	dense bool
	name  string
	view  func() *checkpoint.View

	slot  *ram.Slot // of a resident
	load  *load     // under way
	pins  int       // handles
	guess bool      // prefetched and not used yet
	due   int64     // the step that a guess is for, see Cache.due

	hits, loads int64
	last        time.Time // of use
	used        int64     // rank of the last use among all
}

// New makes the cache of a checkpoint, which stays the caller's. The cache must
// be closed.
func New(ck *checkpoint.Checkpoint, o Options) (*Cache, error) {
	o.setDefaults()
	c := &Cache{options: o, log: o.Log, ck: ck, size: ck.ExpertSize(), kick: make(chan struct{}, 1), stop: make(chan struct{})}
	if err := c.open(); err != nil {
		c.release()
		return nil, err
	}
	c.keeper.Go(c.keep)
	return c, nil
}

// open acquires what New needs; release gives it back.
func (c *Cache) open() (err error) {
	config := c.ck.Config()
	c.makeEntries(config.Layers, config.Experts)
	c.counters.errors = map[string]int64{}
	if c.reader, err = nvme.Open(c.ck.Files(), c.options.NVMe); err != nil {
		return err
	}
	if c.ram, err = ram.Open(ram.Options{NoHuge: c.options.NoHuge, Memfd: c.options.Memfd}); err != nil {
		return err
	}
	if c.dense, err = ram.Open(ram.Options{NoHuge: c.options.NoHuge, Memfd: c.options.Memfd}); err != nil {
		return err
	}
	// The first slot tells what a slot really takes.
	first, err := c.ram.NewSlot(c.size)
	if err != nil {
		return err
	}
	c.born(first)
	c.slots, c.free, c.charge = 1, []*ram.Slot{first}, first.Allocated()
	c.shape = policy.Shape{Layers: config.Layers, Experts: config.Experts, TopK: config.TopK, ExpertBytes: c.charge}
	if err := c.allowed(c.options.Budget); err != nil {
		return err
	}
	c.setBudget(c.options.Budget)
	c.warnBudget(c.budget)
	if err := c.fitLimit(c.budget); err != nil {
		return err
	}
	if c.options.PrefetchBytes <= 0 {
		c.options.PrefetchBytes = 2 * int64(config.TopK) * c.charge
	}
	if c.heat = c.options.Heat; c.heat == nil {
		c.heat = policy.NewHeat(c.shape)
	}
	if err := c.usePolicy(c.options.Policy); err != nil {
		return err
	}
	c.observer, err = newObserver(c.options, c.shape)
	return err
}

func (c *Cache) makeEntries(layers, experts int) {
	for layer := range layers {
		row := make([]*entry, experts)
		for expert := range row {
			row[expert] = &entry{
				key:  policy.Key{Layer: uint16(layer), Expert: uint16(expert)},
				name: fmt.Sprintf("layer %d expert %d", layer, expert),
				view: func() *checkpoint.View { return c.ck.Expert(layer, expert) },
			}
		}
		c.experts = append(c.experts, row)
		c.denses = append(c.denses, &entry{
			dense: true,
			name:  fmt.Sprintf("layer %d dense", layer),
			view:  func() *checkpoint.View { return c.ck.Dense(layer) },
		})
	}
	c.denses = append(c.denses,
		&entry{dense: true, name: "unembedding", view: c.ck.Unembedding},
		&entry{dense: true, name: "embedding", view: c.ck.Embedding})
}

// expert returns the entry of k, nil when the model has none.
func (c *Cache) expert(k policy.Key) *entry {
	if int(k.Layer) >= len(c.experts) || int(k.Expert) >= len(c.experts[k.Layer]) {
		return nil
	}
	return c.experts[k.Layer][k.Expert]
}

// Close ends the loads under way and gives everything back. Opens that wait
// get ErrClosed. Handles still open must not be used any more, except for
// Release.
func (c *Cache) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	line := c.line
	c.line = nil
	for _, l := range line {
		c.end(l, ErrClosed)
	}
	if ended, ok := c.streams.Of(0).Flush(); ok {
		c.stepped(ended)
	}
	c.unlock()
	close(c.stop)
	c.keeper.Wait()
	if lost := c.observer.close(); lost > 0 {
		c.log.Warn("the trace and the ghosts were too slow for the reader", "events lost", lost)
	}
	c.resizing.Lock()
	defer c.resizing.Unlock()
	return c.release()
}

// release gives back what there is, also after half an open.
func (c *Cache) release() error {
	var errs []error
	if c.reader != nil {
		errs = append(errs, c.reader.Close())
	}
	c.running.Wait()
	for _, s := range c.free {
		c.die(s)
	}
	c.free = nil
	for _, row := range append([][]*entry{c.denses}, c.experts...) {
		for _, e := range row {
			if e.slot != nil {
				c.die(e.slot)
				e.slot = nil
			}
		}
	}
	for _, t := range []*ram.Tier{c.ram, c.dense} {
		if t != nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}

func (c *Cache) born(s *ram.Slot) {
	if c.options.SlotHook != nil {
		c.options.SlotHook.Born(s)
	}
}

func (c *Cache) die(s *ram.Slot) {
	if c.options.SlotHook != nil {
		c.options.SlotHook.Dead(s)
	}
	s.Close()
}
