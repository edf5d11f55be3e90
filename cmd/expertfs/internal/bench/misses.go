package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"expertfs"
	"expertfs/fsys/budget"
)

// missRound is how many absent experts a round of misses uses, at most.
const missRound = 12

// misses measures the use of experts that have to be loaded, by one reader and
// by four, beside reads of the same amount straight from the drive, and beside
// the mapping of plain files that are not in the page cache.
func (r *run) misses() (err error) {
	if r.m.ck.Path(0) == "" {
		r.note("no misses: the model is part of the program and on no drive")
		return nil
	}
	restore, err := r.makeRoomForMisses()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	if err := r.fill(); err != nil {
		return err
	}
	// The reads of an open miss and those of a read one may want different shapes.
	plain, err := newDrive(r.m, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.close()) }()
	touched, err := newDrive(r.m, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, touched.close()) }()
	r.note("misses and O_DIRECT reads: random experts that are not in RAM, whatever of them is in caches below the drive")
	r.note("O_DIRECT reads: into a buffer for each read in flight, again and again; on huge pages if there are any; not copied; touched: summed by the thread that read, while others read")
	cold, err := r.coldCopy()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cold.close()) }()
	for _, readers := range []int{1, 4} {
		if err := r.measureMisses(readers, plain, touched, cold); err != nil {
			return err
		}
	}
	return nil
}

// makeRoomForMisses lowers the mount's budget when all or nearly all experts fit
// into it, to a quarter of them. What it returns puts the budget back, and with it
// that the budget follows the memory.
func (r *run) makeRoomForMisses() (restore func() error, err error) {
	c := r.m.first.Cache
	quarter := max(int64(r.m.total()/4), int64(r.m.ck.Config().TopK)) * c.SlotBytes
	if c.Budget/c.SlotBytes <= int64(r.m.total()-2*missRound) || quarter >= c.Budget {
		return func() error { return nil }, nil
	}
	if err := r.m.setRAM(expertfs.FormatSize(quarter)); err != nil {
		return nil, err
	}
	r.note("misses: the RAM budget was lowered to a quarter of the experts for them")
	return func() error {
		err := r.m.setRAM(expertfs.FormatSize(c.Budget))
		if r.m.first.AutoBudget {
			err = errors.Join(err, r.m.setRAM(budget.Auto))
		}
		return err
	}, nil
}

// fill uses experts until the RAM tier is full. A miss then takes the slot of a
// victim; making a slot, which a mount does once for each, costs as much again.
func (r *run) fill() error {
	for _, e := range r.order.Perm(r.m.total()) {
		report, err := r.m.report()
		if err != nil {
			return err
		}
		if c := report.Cache; c.Used+c.SlotBytes > c.Budget && c.FreeBytes == 0 {
			break
		}
		if err := r.reader.openClose(r.m, e); err != nil {
			return err
		}
	}
	r.note("misses: the RAM tier was full, so that each takes the slot of another expert")
	return r.ctx.Err()
}

// newFolder makes a folder for plain copies, by default beside the checkpoint
// and so on the same drive.
func (r *run) newFolder() (*folder, error) {
	parent := r.Scratch
	if parent == "" {
		parent = os.TempDir()
		if path := r.m.ck.Path(0); path != "" {
			parent = filepath.Dir(path)
		}
	}
	f, err := newFolder(parent)
	if err != nil {
		return nil, fmt.Errorf("a folder for plain copies (--scratch chooses another): %w", err)
	}
	return f, nil
}

// coldCopy writes a round of experts as plain files.
func (r *run) coldCopy() (*folder, error) {
	f, err := r.newFolder()
	if err != nil {
		return nil, err
	}
	for _, e := range r.order.Perm(r.m.total())[:min(missRound, r.m.total())] {
		content, err := r.learn(e)
		if err == nil {
			err = f.add(e, content)
		}
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	return f, nil
}

// measureMisses takes turns with the mount, the drive alone, and the plain copy,
// round by round in a random order.
func (r *run) measureMisses(n int, plain, touched *drive, cold *folder) (err error) {
	readers, err := newReaders(n, r.m.size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, readers.close()) }()
	var arms []func() error
	add := func(to *Measure, round func(to *Measure) error) {
		to.Readers, to.bytes = n, true
		arms = append(arms, func() error { return round(to) })
	}
	for _, x := range []struct {
		use   use
		drive *drive
		limit string
	}{{useOpen, plain, "O_DIRECT reads"}, {useMapped, touched, "O_DIRECT reads, touched"}} {
		best, err := r.bestShape(readers, x.drive)
		if err != nil {
			return err
		}
		miss := r.row("miss: " + x.use.name)
		miss.Limit = &Measure{Name: x.limit, Shape: &best}
		add(miss, func(to *Measure) error { return r.missRound(readers, to, x.use) })
		add(miss.Limit, func(to *Measure) error { return r.driveRound(readers, x.drive, missRound, to) })
	}
	add(r.row("plain copy, not cached: "+useMapped.name), func(to *Measure) error {
		if err := cold.cool(r.m.size); err != nil {
			return err
		}
		return readers.round(r.ctx, r.shuffled(cold.have), to, func(x *reader, e int) error { return r.checked(useMapped, x, cold, e) })
	})
	for range r.Rounds {
		for _, i := range r.order.Perm(len(arms)) {
			if err := arms[i](); err != nil {
				return err
			}
		}
	}
	return nil
}

// missRound uses random experts that are not in RAM, and makes sure that they
// were not, and that the bytes were right.
func (r *run) missRound(readers readers, to *Measure, u use) error {
	experts, err := r.absent(missRound, len(readers))
	if err != nil {
		return err
	}
	before, err := r.m.report()
	if err != nil {
		return err
	}
	sums := make([]uint64, r.m.total()) // each element is of one reader
	err = readers.round(r.ctx, experts, to, func(x *reader, e int) (err error) {
		sums[e], err = u.do(x, r.m, e)
		return err
	})
	if err != nil {
		return err
	}
	after, err := r.m.report()
	if err != nil {
		return err
	}
	if after.Cache.Hits != before.Cache.Hits {
		return errors.New("some of the uses that were to be misses were hits: is the mount in use?")
	}
	if !u.sums {
		return nil
	}
	// An expert is learned only now: what has just been read from a drive may
	// be in a cache below it.
	for _, e := range experts {
		if _, known := r.sums[e]; !known {
			if _, err := r.learn(e); err != nil {
				return err
			}
		}
		if err := r.right(e, sums[e]); err != nil {
			return err
		}
	}
	return nil
}

// driveRound reads random experts from the drive, out of those that the mount
// could miss: others have been read more lately.
func (r *run) driveRound(readers readers, d *drive, n int, to *Measure) error {
	experts, err := r.absent(n, len(readers))
	if err != nil {
		return err
	}
	return readers.round(r.ctx, experts, to, func(_ *reader, e int) error { return d.readExpert(e) })
}

// absent returns at most n random experts that are not in RAM, or an error if
// there are fewer than least.
func (r *run) absent(n, least int) ([]int, error) {
	resident, err := r.m.resident()
	if err != nil {
		return nil, err
	}
	var absent []int
	for e, in := range resident {
		if !in {
			absent = append(absent, e)
		}
	}
	if len(absent) < least {
		return nil, fmt.Errorf("only %d experts are not in RAM: nothing to miss", len(absent))
	}
	return r.shuffled(absent)[:min(n, len(absent))], nil
}

// bestShape finds out how the drive is read fastest, and leaves d so. Each shape
// has several turns among the others, as a drive's speed may drift, and counts
// by its median; how fast the best one is, is measured afresh.
func (r *run) bestShape(readers readers, d *drive) (Shape, error) {
	const tries, experts = 3, 8
	turns := make([]Measure, len(shapes))
	for range tries {
		for _, i := range r.order.Perm(len(shapes)) {
			if err := d.setShape(shapes[i]); err != nil {
				return Shape{}, err
			}
			if err := r.driveRound(readers, d, experts, &turns[i]); err != nil {
				return Shape{}, err
			}
		}
	}
	best := 0
	for i := range turns {
		turns[i].finish(0)
		if turns[i].Median < turns[best].Median {
			best = i
		}
	}
	return shapes[best], d.setShape(shapes[best])
}
