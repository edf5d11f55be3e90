package nvme

import (
	"errors"
	"slices"
	"unsafe"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// Class is the urgency of a job.
type Class int

const (
	Demand   Class = iota // a reader waits
	Prefetch              // nobody waits yet
	classes
)

// Errors of jobs that were not carried out.
var (
	ErrDropped = errors.New("the read was dropped")
	ErrClosed  = errors.New("the reader of the drive is closed")
)

// Job is the reading of a range of a view into memory.
type Job struct {
	r    *Reader
	done chan struct{} // closed when nothing touches the memory any more

	// Guarded by r.mu until done is closed.
	class  Class
	due    int64          // of a prefetch: those due earlier are read first
	pieces [lanes][]piece // those not begun
	flying int            // pieces being read
	err    error
	files  []int // the files it reads

	// Of a job whose memory may come later. Unchanged once memory is closed.
	memory chan struct{} // closed when there is memory, or is known to be none; nil: from the beginning
	none   error         // why there is none
	header func()        // writes the header
}

// piece is a range of one file and the memory it goes to, or the units that a
// transform makes.
type piece struct {
	file     int
	off      int64
	dst      []byte
	straight bool  // aligned, so that it can be read into dst itself
	ahead    bool  // read for a prefetch
	made     *made // nil for a copy
	lane     lane
}

// Start queues the reading of the len(dst) bytes of v that begin at off.
// dst belongs to the job until Done is closed. The range must lie in the view.
func (r *Reader) Start(v *view.View, dst []byte, off int64) *Job {
	return r.start(&Job{r: r, done: make(chan struct{}), class: Demand}, v, dst, off)
}

// Prefetch queues the reading of the first len(dst) bytes of v, as Start does,
// for nobody who waits. Of several prefetches the one that is due earliest, in
// any unit, is read first.
func (r *Reader) Prefetch(v *view.View, dst []byte, due int64) *Job {
	return r.start(&Job{r: r, done: make(chan struct{}), class: Prefetch, due: due}, v, dst, 0)
}

// Load queues the reading of all of v into dst, for somebody who waits or as a
// prefetch that is due. Dst is an address at first: nothing is written before Ready, or
// ever after NoMemory, one of which must be called. Until then the job reads into
// buffers of its own, so that memory can be made while the drive is at work.
func (r *Reader) Load(v *view.View, dst []byte, class Class, due int64) *Job {
	return r.start(&Job{r: r, done: make(chan struct{}), class: class, due: due, memory: make(chan struct{})}, v, dst, 0)
}

// Ready says that there is memory now.
func (j *Job) Ready() {
	j.header()
	close(j.memory)
}

// NoMemory ends a job with the reason why there is no memory for it.
func (j *Job) NoMemory(err error) {
	j.none = err
	j.cancel(err)
	close(j.memory)
}

// await returns when there is memory to write to, or tells why there is none.
func (j *Job) await() error {
	if j.memory == nil {
		return nil
	}
	<-j.memory
	return j.none
}

func (r *Reader) start(j *Job, v *view.View, dst []byte, off int64) *Job {
	j.cut(v, dst, off)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		j.err = ErrClosed
		close(j.done)
	case !j.pending():
		close(j.done)
	default:
		r.enqueue(j)
	}
	return j
}

// enqueue puts a job into the queues of the lanes that it has pieces for. r.mu is
// held.
func (r *Reader) enqueue(j *Job) {
	for l := range r.lanes {
		if len(j.pieces[l]) == 0 {
			continue
		}
		queue := r.lanes[l].queues[j.class]
		at := len(queue)
		for at > 0 && j.class == Prefetch && queue[at-1].due > j.due {
			at--
		}
		r.lanes[l].queues[j.class] = slices.Insert(queue, at, j)
		r.lanes[l].wake.Broadcast()
	}
}

// pending tells whether there are pieces not begun. r.mu is held, or the job is
// nobody's yet.
func (j *Job) pending() bool {
	return slices.ContainsFunc(j.pieces[:], func(p []piece) bool { return len(p) > 0 })
}

// cut copies what dst has of the header, if it is memory already, and makes pieces of
// the rest.
func (j *Job) cut(v *view.View, dst []byte, off int64) {
	j.header = func() {
		if off < int64(len(v.Header)) {
			copy(dst, v.Header[off:])
		}
	}
	if j.memory == nil {
		j.header()
	}
	end := off + int64(len(dst))
	for i := range v.Parts {
		p := &v.Parts[i]
		if p.Transform != nil {
			j.cutMade(p, dst, off)
			continue
		}
		at := p.To[0].Off
		from, to := max(off, at), min(end, at+p.To[0].Len)
		if from < to {
			j.cutExtent(part(p.From[0], from-at, to-at), dst[from-off:to-off])
		}
	}
}

// minStraight is the least worth reading straight into its place: around it
// two small reads are due, for what is not aligned.
const minStraight = 64 << 10

// cutExtent makes pieces of one extent.
func (j *Job) cutExtent(e view.Extent, dst []byte) {
	j.uses(e.File)
	if !source.Near(j.r.sources[e.File], e.Off, e.Len) {
		j.sliceFar(e, dst)
		return
	}
	align, memory := j.r.sources[e.File].Align()
	head := roundUp(e.Off, align) - e.Off
	tail := e.Len - (e.Off+e.Len)%align
	switch {
	case align == 1:
		j.slice(e, dst, 1, true)
	case tail-head >= minStraight && uintptr(unsafe.Pointer(&dst[head]))%uintptr(memory) == 0:
		j.slice(part(e, 0, head), dst[:head], align, false)
		j.slice(part(e, head, tail), dst[head:tail], align, true)
		j.slice(part(e, tail, e.Len), dst[tail:], align, false)
	default:
		j.slice(e, dst, align, false)
	}
}

// uses notes a file that the job reads.
func (j *Job) uses(file int) {
	if !slices.Contains(j.files, file) {
		j.files = append(j.files, file)
	}
}

// part is the part of an extent between two distances from its beginning.
func part(e view.Extent, from, to int64) view.Extent {
	return view.Extent{File: e.File, Off: e.Off + from, Len: to - from}
}

// slice makes pieces of about equal length, none much longer than a chunk.
func (j *Job) slice(e view.Extent, dst []byte, align int64, straight bool) {
	count := (e.Len + j.r.chunk - 1) / j.r.chunk
	from := int64(0)
	for i := range count {
		to := e.Len * (i + 1) / count
		if straight && i+1 < count {
			if to = to / align * align; to == from {
				continue
			}
		}
		j.pieces[driveLane] = append(j.pieces[driveLane], piece{file: e.File, off: e.Off + from, dst: dst[from:to], straight: straight})
		from = to
	}
}

// Done is closed when the job is over and its memory is the caller's again.
func (j *Job) Done() <-chan struct{} { return j.done }

// Err tells how the job ended. It may be called when Done is closed.
func (j *Job) Err() error { return j.err }

// Promote turns a prefetch into a demand read, because a reader waits now.
func (j *Job) Promote() {
	j.r.mu.Lock()
	defer j.r.mu.Unlock()
	if j.class == Demand {
		return
	}
	queued := j.unqueue()
	j.class = Demand
	if queued {
		j.r.enqueue(j) // and wakes those that take no more prefetches
	}
}

// Drop ends a prefetch with ErrDropped, unless the last piece of it is being
// read already or somebody has promoted it. It tells whether it did.
func (j *Job) Drop() bool {
	j.r.mu.Lock()
	defer j.r.mu.Unlock()
	if j.class == Demand || !j.unqueue() {
		return false
	}
	j.abandon(ErrDropped)
	return true
}

// cancel ends a job early: pieces not begun are not read.
func (j *Job) cancel(err error) {
	j.r.mu.Lock()
	defer j.r.mu.Unlock()
	if j.unqueue() {
		j.abandon(err)
	}
}

// unqueue takes the job off its queues; false when it is not queued any more.
// r.mu is held.
func (j *Job) unqueue() (was bool) {
	for l := range j.r.lanes {
		queues := &j.r.lanes[l].queues
		if i := slices.Index(queues[j.class], j); i >= 0 {
			queues[j.class] = slices.Delete(queues[j.class], i, i+1)
			was = true
		}
	}
	return was
}

// abandon gives up the pieces not begun of a job that is off its queues. r.mu
// is held.
func (j *Job) abandon(err error) {
	j.pieces = [lanes][]piece{}
	if j.err == nil {
		j.err = err
	}
	if j.flying == 0 {
		close(j.done)
	}
}
