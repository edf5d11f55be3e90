package tiers

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/tiers/ram"
)

// table has an entry for each file: which are in RAM, which are pinned, when
// each was used.
type table struct {
	experts [][]*entry // by layer and expert
	dense   []*entry   // by layer, then the unembedding and the embedding; then the first two rounded
	shown   *residency // what readers see; nil: nothing

	// GUARDED BY guard.
	residents int // experts in RAM
	pinned    int // of them, those with handles
	uses      int64
}

func newTable(ck *checkpoint.Checkpoint) *table {
	t := &table{}
	config := ck.Config()
	for layer := range config.Layers {
		row := make([]*entry, config.Experts)
		for expert := range row {
			k := expertfs.NewKey(layer, expert)
			row[expert] = &entry{
				key:  k,
				name: k.String(),
				view: func() *checkpoint.View { return ck.Expert(k) },
			}
		}
		t.experts = append(t.experts, row)
		t.dense = append(t.dense, &entry{
			dense: true,
			name:  fmt.Sprintf("layer %d dense", layer),
			view:  func() *checkpoint.View { return ck.Dense(layer) },
		})
	}
	t.dense = append(t.dense,
		&entry{dense: true, name: "unembedding", view: ck.Unembedding},
		&entry{dense: true, name: "embedding", view: ck.Embedding})
	for layer := range config.Layers {
		t.dense = append(t.dense, &entry{
			dense: true, rounded: true,
			name: fmt.Sprintf("layer %d dense, rounded", layer),
			view: func() *checkpoint.View { return ck.DenseRounded(layer) },
		})
	}
	t.dense = append(t.dense, &entry{dense: true, rounded: true, name: "unembedding, rounded", view: ck.UnembeddingRounded})
	return t
}

// expert returns the entry of k, nil when the model has none. It needs no lock.
func (t *table) expert(k expertfs.Key) *entry {
	if int(k.Layer) >= len(t.experts) || int(k.Expert) >= len(t.experts[k.Layer]) {
		return nil
	}
	return t.experts[k.Layer][k.Expert]
}

// use notes that a file is used now.
func (t *table) use(e *entry) {
	e.last = time.Now()
	t.uses++
	e.used = t.uses
	e.uses++
}

// settle makes a file resident in a slot, pinned n times.
func (t *table) settle(e *entry, slot *ram.Slot, n int) {
	e.slot = slot
	e.loads++
	if !e.dense {
		t.residents++
		t.shown.set(e.key, true)
	}
	t.pin(e, n)
}

// remove makes a resident that is not pinned absent, and returns its slot.
func (t *table) remove(e *entry) *ram.Slot {
	slot := e.slot
	e.slot = nil
	if !e.dense {
		t.residents--
		t.shown.set(e.key, false)
	}
	return slot
}

// pin keeps a resident in RAM n times.
func (t *table) pin(e *entry, n int) {
	if e.pins == 0 && n > 0 && !e.dense {
		t.pinned++
	}
	e.pins += n
}

// unpin ends one pin. It tells whether that was the last of an expert.
func (t *table) unpin(e *entry) (last bool) {
	e.pins--
	if e.pins > 0 || e.dense {
		return false
	}
	t.pinned--
	return true
}

// inRAM yields the experts in RAM by layer and number.
func (t *table) inRAM(yield func(*entry) bool) {
	for _, row := range t.experts {
		for _, e := range row {
			if e.slot != nil && !yield(e) {
				return
			}
		}
	}
}

// told yields the experts on their way to RAM that the policy takes for resident.
func (t *table) told(yield func(*entry) bool) {
	for _, row := range t.experts {
		for _, e := range row {
			if e.load != nil && e.load.told && !yield(e) {
				return
			}
		}
	}
}

// denseBytes is what dense files take in RAM.
func (t *table) denseBytes() (bytes int64) {
	for _, e := range t.dense {
		if e.slot != nil {
			bytes += e.slot.Allocated()
		}
	}
	return bytes
}

// byUse lists the experts in RAM, the one used longest ago first.
func (t *table) byUse() []*entry {
	list := slices.Collect(t.inRAM)
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	return list
}
