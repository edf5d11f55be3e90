package nvme

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"expertfs/checkpoint/view"

	"golang.org/x/sys/unix"
)

// work reads pieces of a lane until the reader is closed.
func (r *Reader) work(at lane, buf []byte) {
	for {
		j, p, ok := r.take(at)
		if !ok {
			return
		}
		r.finish(j, p, r.read(buf, j, p))
	}
}

// take waits for a piece of a lane: ok is false when the reader is closed.
func (r *Reader) take(at lane) (j *Job, p piece, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &r.lanes[at]
	for {
		if r.closed {
			return nil, piece{}, false
		}
		for class := range l.queues {
			if len(l.queues[class]) == 0 || class == int(Prefetch) && l.speculating == l.speculative {
				continue
			}
			j = l.queues[class][0]
			p, j.pieces[at] = j.pieces[at][0], j.pieces[at][1:]
			if at == networkLane && l.idle == 0 {
				r.joinFar(&p, j)
			}
			p.lane, p.ahead = at, class == int(Prefetch)
			if p.ahead {
				l.speculating++
			}
			j.flying++
			if len(j.pieces[at]) == 0 {
				l.queues[class] = slices.Delete(l.queues[class], 0, 1)
			}
			return j, p, true
		}
		l.idle++
		l.wake.Wait()
		l.idle--
	}
}

// read fetches one piece, straight into its place or by way of buf.
func (r *Reader) read(buf []byte, j *Job, p piece) error {
	if p.lane == networkLane {
		return r.readFar(j, p)
	}
	if p.made != nil {
		return r.transform(buf, j, p)
	}
	s := r.sources[p.file]
	align, _ := s.Align()
	if p.straight {
		if err := j.await(); err != nil {
			return err
		}
		err := r.fetch(s, p.dst, p.off, len(p.dst))
		if align == 1 || !errors.Is(err, unix.EINVAL) {
			return err
		}
		// The kernel has promised more than the drive takes. Buffers are
		// aligned for every drive.
	}
	got, _, err := r.superset(buf, view.Extent{File: p.file, Off: p.off, Len: int64(len(p.dst))})
	if err == nil {
		err = j.await()
	}
	if err == nil {
		copy(p.dst, got)
	}
	return err
}

// superset fetches an extent into buf, with what is around it up to the
// alignment, and returns the extent's bytes and the rest of buf.
func (r *Reader) superset(buf []byte, e view.Extent) (got, rest []byte, err error) {
	s := r.sources[e.File]
	align, _ := s.Align()
	from := e.Off / align * align
	to := roundUp(e.Off+e.Len, align)
	skip := e.Off - from
	if err := r.fetch(s, buf[:to-from], from, int(skip+e.Len)); err != nil {
		return nil, nil, err
	}
	// The next read's address is aligned for any file.
	return buf[skip : skip+e.Len], buf[min(roundUp(to-from, sector), int64(len(buf))):], nil
}

// fetch reads at least need of the bytes of dst from the drive.
func (r *Reader) fetch(s Source, dst []byte, off int64, need int) error {
	n, err := s.ReadAt(r.reading, dst, off)
	r.bytes.Add(int64(n))
	return readError(s, dst, off, n, need, err)
}

// readError is what a read has come to that got n bytes for dst.
func readError(s Source, dst []byte, off int64, n, need int, err error) error {
	if err == nil && n < need {
		err = fmt.Errorf("%w: got %d bytes", io.ErrUnexpectedEOF, n)
	}
	if err != nil {
		return &ReadError{File: s.Name(), Off: off, Len: int64(len(dst)), Err: err}
	}
	return nil
}

// finish accounts for a piece that was read. The worker that ends the job
// looks whether the files have changed under it.
func (r *Reader) finish(j *Job, p piece, err error) {
	r.mu.Lock()
	if p.ahead {
		r.lanes[p.lane].speculating--
	}
	if err != nil {
		if j.err == nil {
			j.err = err
		}
		j.unqueue()
		j.pieces = [lanes][]piece{}
	}
	last := j.flying == 1 && !j.pending()
	if !last {
		j.flying--
	}
	good := j.err == nil
	r.mu.Unlock()
	if !last {
		return
	}
	// Still counted as flying, the job cannot end in another way meanwhile.
	if good {
		err = r.check(j.files)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
	j.flying--
	close(j.done)
}

// check returns an error unless the files are the ones that were mounted.
func (r *Reader) check(files []int) error {
	for _, i := range files {
		if err := r.sources[i].Check(r.reading); err != nil {
			return err
		}
	}
	return nil
}
