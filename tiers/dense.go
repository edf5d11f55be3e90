package tiers

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"expertfs/tiers/ram"
)

// Dense names a dense file: that of a layer, the Unembedding, the Embedding, or
// one of them with its matrices rounded.
type Dense int

const (
	Unembedding Dense = 1<<16 + iota // with the last norm
	Embedding
	rounded Dense = 1 << 17
)

// DenseLayer names the tensors of a layer outside its experts.
func DenseLayer(layer int) Dense { return Dense(layer) }

// Rounded names the same file with its matrices rounded to 8 bits. The embedding
// has none.
func (d Dense) Rounded() Dense { return d | rounded }

// denseEntry returns the entry of a dense file.
func (c *Cache) denseEntry(d Dense) (*entry, error) {
	layers := Dense(len(c.table.experts))
	i := d &^ rounded
	switch {
	case i == Unembedding:
		i = layers
	case d == Embedding:
		i = layers + 1
	case i < 0 || i >= layers:
		return nil, fmt.Errorf("%w: layer %d dense", ErrRange, i)
	}
	if d&rounded != 0 {
		i += layers + 2
	}
	return c.table.dense[i], nil
}

// denseRoom finds room for a dense file within Options.DenseBytes: it takes idle
// ones out of RAM, the one used longest ago first. Their slots are to be closed
// before the new one is made. The guard is held.
func (c *Cache) denseRoom(size int64) (retiring []*ram.Slot, ok bool) {
	if c.options.DenseBytes <= 0 {
		return nil, true
	}
	left := c.options.DenseBytes - wholePages(size)
	var idle []*entry
	spare := int64(0) // what the idle ones take
	for _, e := range c.table.dense {
		switch {
		case e.slot != nil:
			left -= e.slot.Allocated()
			if e.pins == 0 && e.slot.Idle() {
				idle = append(idle, e)
				spare += e.slot.Allocated()
			}
		case e.load != nil:
			left -= wholePages(e.view().Size())
		}
	}
	if left+spare < 0 {
		return nil, false // nothing is taken out in vain
	}
	slices.SortFunc(idle, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	for _, e := range idle {
		if left >= 0 {
			break
		}
		left += e.slot.Allocated()
		retiring = append(retiring, c.table.remove(e))
	}
	return retiring, true
}

// wholePages is what a file of size bytes takes in RAM.
func wholePages(size int64) int64 {
	page := int64(os.Getpagesize())
	return (size + page - 1) / page * page
}

// denseLinger is how long a dense file stays in RAM after its last user, so that a
// program that is started again finds it.
const denseLinger = time.Minute

// denseIdle takes the dense files out of RAM that nobody has used for some time,
// and returns when to look again, 0 for not before the next use. The guard is
// held.
func (c *Cache) denseIdle(now time.Time) (retiring []*ram.Slot, again time.Duration) {
	for _, e := range c.table.dense {
		if e.slot == nil || e.pins > 0 {
			continue
		}
		wait := denseLinger - now.Sub(e.last)
		switch {
		case wait <= 0 && e.slot.Idle():
			retiring = append(retiring, c.table.remove(e))
			continue
		case wait <= 0:
			e.last, wait = now, denseLinger // mapped, of whose end nobody tells
		}
		if again == 0 || wait < again {
			again = wait
		}
	}
	return retiring, again
}
