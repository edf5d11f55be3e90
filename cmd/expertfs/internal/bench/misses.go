package bench

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// missRound is how many absent experts a round of misses uses, at most.
const missRound = 12

// misses measures the use of experts that have to be loaded, by one reader and
// by four, beside reads of the same amount straight from the drive, and beside
// the mapping of plain files that are not in the page cache.
func (r *run) misses() (err error) {
	if r.m.ck.Files()[0].Path() == "" {
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
	d, err := newDrive(r.m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	cold, err := r.coldCopy()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cold.close()) }()
	for _, readers := range []int{1, 4} {
		if err := r.measureMisses(readers, d, cold); err != nil {
			return err
		}
	}
	return nil
}

// makeRoomForMisses lowers the mount's budget when all or nearly all experts fit
// into it, to a quarter of them. What it returns puts the budget back.
func (r *run) makeRoomForMisses() (restore func() error, err error) {
	c := r.m.first.Cache
	quarter := max(int64(r.m.total()/4), int64(r.m.ck.Config().TopK)) * c.SlotBytes
	if c.Budget/c.SlotBytes <= int64(r.m.total()-2*missRound) || quarter >= c.Budget {
		return func() error { return nil }, nil
	}
	if err := r.m.setRAM(quarter); err != nil {
		return nil, err
	}
	r.note("misses: the RAM budget was lowered to a quarter of the experts for them")
	return func() error { return r.m.setRAM(c.Budget) }, nil
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
		if path := r.m.ck.Files()[0].Path(); path != "" {
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

// measureMisses takes turns with the mount, the drive alone, and the plain copy.
func (r *run) measureMisses(n int, d *drive, cold *folder) (err error) {
	readers, err := newReaders(n, r.m.size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, readers.close()) }()
	best, err := r.bestShape(readers, d)
	if err != nil {
		return err
	}
	r.note("misses, %d readers: the drive was fastest with reads of %v in flight, of %d shapes", n, best, len(shapes))
	opened := r.measure("miss: open, close", n)
	opened.Limit = &Measure{Name: "O_DIRECT reads", Readers: n, bytes: true}
	read := r.measure("miss: open, mmap, read all, close", n)
	read.Limit = &Measure{Name: "O_DIRECT reads, touched", Readers: n, bytes: true}
	copied := r.measure("plain copy, not cached: open, mmap, read all, close", n)
	for range r.Rounds {
		if err := r.missRound(readers, opened, useOpen); err != nil {
			return err
		}
		if err := r.missRound(readers, read, useMapped); err != nil {
			return err
		}
		for _, x := range []*Measure{opened.Limit, read.Limit} {
			d.touch = x == read.Limit
			if err := r.driveRound(readers, d, missRound, x); err != nil {
				return err
			}
		}
		if err := cold.cool(r.m.size); err != nil {
			return err
		}
		err := readers.round(r.ctx, r.shuffled(cold.have), copied, func(x *reader, e int) error { return useMapped.do(r, x, cold, e) })
		if err != nil {
			return err
		}
	}
	return nil
}

// measure begins a measure that reads bytes.
func (r *run) measure(name string, readers int) *Measure {
	m := &Measure{Name: name, Readers: readers, bytes: true}
	r.result.Measures = append(r.result.Measures, m)
	return m
}

// missRound uses random experts that are not in RAM, and makes sure that they
// were not.
func (r *run) missRound(readers readers, to *Measure, u use) error {
	resident, err := r.m.resident()
	if err != nil {
		return err
	}
	var absent []int
	for e, in := range resident {
		if !in {
			absent = append(absent, e)
		}
	}
	if len(absent) < len(readers) {
		return fmt.Errorf("only %d experts are not in RAM: nothing to miss", len(absent))
	}
	experts := r.shuffled(absent)[:min(missRound, len(absent))]
	for _, e := range experts {
		if _, known := r.sums[e]; !known {
			if _, err := r.learn(e); err != nil {
				return err
			}
		}
	}
	before, err := r.m.report()
	if err != nil {
		return err
	}
	if err := readers.round(r.ctx, experts, to, func(x *reader, e int) error { return u.do(r, x, r.m, e) }); err != nil {
		return err
	}
	after, err := r.m.report()
	if err == nil && after.Cache.Hits != before.Cache.Hits {
		err = errors.New("some of the uses that were to be misses were hits: is the mount in use?")
	}
	return err
}

// driveRound reads random experts from the drive.
func (r *run) driveRound(readers readers, d *drive, n int, to *Measure) error {
	experts := r.order.Perm(r.m.total())[:min(n, r.m.total())]
	return readers.round(r.ctx, experts, to, func(_ *reader, e int) error { return d.readExpert(e) })
}

// bestShape finds out how the drive is read fastest, and leaves d so.
func (r *run) bestShape(readers readers, d *drive) (shape, error) {
	const tries = 2
	var best shape
	fastest := time.Duration(math.MaxInt64)
	for _, s := range shapes {
		if err := d.setShape(s); err != nil {
			return s, err
		}
		for range tries {
			var m Measure
			began := time.Now()
			if err := r.driveRound(readers, d, missRound/2, &m); err != nil {
				return s, err
			}
			if took := time.Since(began); took < fastest {
				best, fastest = s, took
			}
		}
	}
	return best, d.setShape(best)
}
