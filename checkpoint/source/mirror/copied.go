package mirror

import (
	"sync"

	"expertfs/checkpoint/source"
)

// copied is a copy of a file on one drive.
type copied struct {
	file       *file
	drive      *drive
	folder     source.Folder
	sameDevice bool // as the first drive's

	patience // GUARDED BY Set.mu

	mu sync.Mutex
	// GUARDED BY mu.
	now   *descriptors    // nil while it is closed
	known source.Identity // by which it was admitted last; zero when it has to be again
}

// descriptors are those of a copy. They are closed when they are retired and nobody
// uses them. GUARDED BY copied.mu.
type descriptors struct {
	sources [ways]source.Source // nil for those that are not open
	users   [ways]int
	epoch   int // of the drive, when they were opened
	retired bool
}

// use is a source that somebody reads from.
type use struct {
	source.Source
	of  *descriptors
	way way
}

// acquire returns the copy's source, opened anew where the drive has failed since the
// last time. Who gets it releases it.
func (c *copied) acquire(w way, epoch int) (use, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && c.now.epoch < epoch {
		c.forget()
	}
	if c.now == nil {
		c.now = &descriptors{epoch: epoch}
	}
	d := c.now
	if d.sources[w] == nil {
		if err := c.openToo(d, w); err != nil {
			c.known = source.Identity{}
			c.forget()
			return use{}, err
		}
	}
	d.users[w]++
	return use{d.sources[w], d, w}, nil
}

// openToo opens a source that is not open. c.mu is held.
func (c *copied) openToo(d *descriptors, w way) (err error) {
	if w == plain {
		d.sources[plain], err = c.admit()
		return err
	}
	from := d.sources[plain]
	if from == nil {
		if from, err = c.admit(); err != nil {
			return err
		}
		defer from.Close()
	}
	d.sources[bulk], err = from.Bulk()
	return err
}

// release ends a use. What was wrong with the copy is looked at again before the next
// one.
func (c *copied) release(u use, wrong bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u.of.users[u.way]--
	if wrong && c.now == u.of {
		c.known = source.Identity{}
		c.forget()
	}
	u.of.closeUnused()
}

// close closes the sources of one way, of which nobody has any more.
func (c *copied) close(w way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.now; d != nil && d.users[w] == 0 {
		d.close(w)
	}
}

// forget retires the present descriptors. c.mu is held.
func (c *copied) forget() {
	c.now.retired = true
	c.now.closeUnused()
	c.now = nil
}

// closeUnused closes what is retired and not used.
func (d *descriptors) closeUnused() {
	for w := range d.sources {
		if d.retired && d.users[w] == 0 {
			d.close(way(w))
		}
	}
}

func (d *descriptors) close(w way) {
	if s := d.sources[w]; s != nil {
		s.Close() // read only: nothing can be lost
		d.sources[w] = nil
	}
}
