package mirror

import (
	"slices"
	"time"
)

// choice is a copy that was chosen for a read, and what is to be known at its end.
type choice struct {
	*copied
	left     bool // it has failed and is tried too early, for want of another
	counted  bool // as a read of the drive
	n, ahead int64
	began    time.Time
	// How often drive and copy were left before.
	driveEpoch, copyEpoch int
}

// choose finds the copy that will be through first with a read of n bytes, of those not
// tried yet, and notes that it is tried; ok is false when there is none. No bytes are an
// open, which tells nothing of the drive.
func (s *Set) choose(f *file, w way, n int64, tried []bool) (ch choice, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var best *copied
	var bestRank int
	var bestCost time.Duration
	for i, c := range f.copies {
		if tried[i] {
			continue
		}
		// The rank comes before the cost: what was left comes after all that serve, and
		// a drive that has enough to do before those.
		rank, cost := 0, c.drive.cost(n, now)
		switch {
		case !c.drive.serves(now) || !c.serves(now):
			rank = 2
		case w == bulk && c.drive.reads >= mostReads:
			rank = 1
		}
		if w == plain {
			cost = time.Duration(i)
		}
		if best == nil || rank < bestRank || rank == bestRank && cost < bestCost {
			best, bestRank, bestCost = c, rank, cost
		}
	}
	if best == nil {
		return choice{}, false
	}
	d := best.drive
	if n > 0 {
		d.try(now)
	}
	best.try(now)
	tried[slices.Index(f.copies, best)] = true
	ch = choice{best, bestRank == 2, w == bulk && n > 0, n, d.inFlight, now, d.epoch, best.epoch}
	if ch.counted {
		d.begin(n, now)
	}
	return ch, true
}

// outcome is what became of a read.
type outcome int

const (
	served   outcome = iota
	opened           // and not read yet
	badDrive         // an error of the read
	badFile          // the copy is not what was opened
	neither          // nobody's fault
)

// ended notes what became of a read.
func (s *Set) ended(ch choice, how outcome, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	d, c := ch.drive, ch.copied
	if ch.counted {
		d.end(ch.n, ch.ahead, ch.began, now, how == served)
	}
	switch how {
	case badDrive:
		d.leave(now, ch.driveEpoch)
		s.complain(d, c.file, err)
	case badFile:
		if c.until.IsZero() {
			d.failing++
		}
		c.leave(now, ch.copyEpoch)
		s.complain(d, c.file, err)
	case served, opened:
		if how == served && d.good(ch.driveEpoch) {
			d.unlearn() // the read that found out has opened and compared the file first
		}
		if c.good(ch.copyEpoch) {
			d.failing--
			d.unlearn()
		}
		if d.complained && d.until.IsZero() && d.failing == 0 {
			d.complained = false
			s.log.Info("a copy of the checkpoint serves again", "copy", d.name)
		}
	}
}

// complain counts a failure of a drive, and logs the first one. s.mu is held.
func (s *Set) complain(d *drive, f *file, err error) {
	d.errors++
	d.lastError = f.name + ": " + err.Error()
	if d.complained {
		return
	}
	d.complained = true
	s.log.Warn("a copy of the checkpoint fails and is left for a while; what another has is read there",
		"copy", d.name, "file", f.name, "err", err)
}
