package mirror

import (
	"time"
)

// How drives are chosen and left.
const (
	leastBackoff = time.Second // that a drive or a copy is left for at first
	mostBackoff  = time.Minute
	// mostReads are under way at one drive while another has fewer, so that one that
	// hangs does not have all of the NVMe tier's workers: 12 with two drives.
	mostReads = 10
	// askAgain is when a drive that was not chosen is asked all the same.
	askAgain = 2 * time.Second
	// bulky is how much has to be on its way for the speed to be told by it. Less tells
	// how long an answer takes.
	bulky = 128 << 10
	// window is the time of reading after which its figures count half.
	window = 500 * time.Millisecond
)

// What is believed of a drive that has read nothing. It is soon forgotten.
const (
	firstBytes = 256 << 10
	firstBusy  = 250 * time.Microsecond
)

// patience is how long something is left that has failed.
type patience struct {
	until   time.Time // zero while it serves
	backoff time.Duration
	epoch   int // how often it was left: a read that began earlier proves nothing
}

// serves tells whether there is no reason not to try it.
func (p *patience) serves(now time.Time) bool { return !now.Before(p.until) }

// try notes that somebody tries what was left long enough. Nobody else does for a while.
func (p *patience) try(now time.Time) {
	if !p.until.IsZero() && p.serves(now) {
		p.until = now.Add(max(p.backoff, leastBackoff))
	}
}

// leave leaves it for longer than the last time, unless a read that began before it was
// left tells of the same failure.
func (p *patience) leave(now time.Time, epoch int) {
	if epoch != p.epoch {
		return
	}
	p.epoch++
	p.backoff = min(max(2*p.backoff, leastBackoff), mostBackoff)
	p.until = now.Add(p.backoff)
}

// good notes that a read has succeeded, and tells whether it serves again by that.
func (p *patience) good(epoch int) (again bool) {
	if p.until.IsZero() || epoch != p.epoch {
		return false
	}
	p.until, p.backoff = time.Time{}, 0
	return true
}

// drive is one of the drives. Its fields are GUARDED BY Set.mu, but for name.
type drive struct {
	name string // what people call it

	reads    int   // under way
	inFlight int64 // bytes of them
	asked    time.Time
	counted  time.Time // until when the time of reading is in busy
	answered time.Time // when the last read ended, or the first of those under way began

	// Lately:
	bytes float64
	busy  time.Duration // in which at least one read was under way
	delay time.Duration // of an answer, beyond what bytes take

	patience
	complained bool // that it fails is in the log
	failing    int  // copies on it that are left

	files     int // that are here
	total     int64
	count     int64
	errors    int64
	lastError string
}

// unlearn forgets how fast the drive was.
func (d *drive) unlearn() { d.bytes, d.busy, d.delay = firstBytes, firstBusy, 0 }

// speed is in bytes a second.
func (d *drive) speed() float64 { return d.bytes / d.busy.Seconds() }

// cost is how long a read of n bytes will take, about, that begins now.
func (d *drive) cost(n int64, now time.Time) time.Duration {
	if d.reads == 0 && now.Sub(d.asked) > askAgain {
		return 0
	}
	t := d.delay + time.Duration(float64(d.inFlight+n)/d.speed()*float64(time.Second))
	if d.reads > 0 {
		t += now.Sub(d.answered)
	}
	return t
}

// begin notes a read of n bytes.
func (d *drive) begin(n int64, now time.Time) {
	if now.Sub(d.asked) > askAgain {
		d.delay /= 2 // it may have been an accident
	}
	if d.reads == 0 {
		d.counted, d.answered = now, now
	}
	d.asked = now
	d.reads++
	d.inFlight += n
}

// end notes the end of a read of n bytes that began when ahead bytes were to be read
// before it. A failed one tells nothing of the speed.
func (d *drive) end(n, ahead int64, began, now time.Time, ok bool) {
	spent, much := now.Sub(d.counted), d.inFlight >= bulky
	d.reads--
	d.inFlight -= n
	d.counted, d.answered = now, now
	if !ok {
		return
	}
	d.total += n
	d.count++
	if much {
		d.bytes += float64(n)
		d.busy += spent
	}
	if d.busy > window {
		d.bytes, d.busy = d.bytes/2, d.busy/2
	}
	expected := time.Duration(float64(ahead+n) / d.speed() * float64(time.Second))
	// One accident is not to keep the drive idle: a delay is taken for at most twice what
	// it was, and a little.
	d.delay += (min(max(now.Sub(began)-expected, 0), 2*d.delay+2*time.Millisecond) - d.delay) / 8
}
