package nvme

import (
	"slices"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// How a network is read, by measurement (docs/sources.md). An expert of 13 MB is
// eight requests: more of them cost more than they save once the network is busy,
// and as many as two layers' experts have hide 100 ms of latency.
const (
	DefaultFarWorkers = 32
	DefaultFarChunk   = 4 << 20
)

// farBlock is what a cache of a place keeps the bytes in. Pieces that share a block would
// wait for each other.
const farBlock = 4096

// sliceFar makes pieces of an extent that is not near. They are read straight into
// place, as bytes that come from a network have no alignment.
func (j *Job) sliceFar(e view.Extent, dst []byte) {
	count := (e.Len + j.r.farChunk - 1) / j.r.farChunk
	from := int64(0)
	for i := range count {
		to := e.Len
		if i+1 < count {
			to = (e.Off+e.Len*(i+1)/count)/farBlock*farBlock - e.Off
		}
		if to <= from {
			continue
		}
		j.pieces[networkLane] = append(j.pieces[networkLane], piece{file: e.File, off: e.Off + from, dst: dst[from:to]})
		from = to
	}
}

// joinFar adds the next piece of a job to one that was taken, where they are one range
// and all workers have something to do: smaller pieces bring an expert sooner while
// there are workers for them, and cost requests when there are none. r.mu is held.
func (r *Reader) joinFar(p *piece, j *Job) {
	rest := j.pieces[networkLane]
	if len(rest) == 0 || p.made != nil || rest[0].made != nil {
		return
	}
	next, n := rest[0], len(p.dst)
	if next.file == p.file && next.off == p.off+int64(n) && n+len(next.dst) <= 2*int(r.farChunk) &&
		cap(p.dst) > n && &p.dst[:n+1][n] == &next.dst[0] {
		p.dst = p.dst[:n+len(next.dst)]
		j.pieces[networkLane] = rest[1:]
	}
}

// startFar starts the workers of the network, where there is one.
func (r *Reader) startFar(workers int) {
	if !slices.ContainsFunc(r.sources, source.MayBeFar) {
		return
	}
	for range workers {
		r.workers.Go(func() { r.work(networkLane, nil) })
	}
}

// readFar fetches a piece over the network. The inputs of a transform get memory
// for the time.
func (r *Reader) readFar(j *Job, p piece) error {
	if p.made == nil {
		if err := j.await(); err != nil {
			return err
		}
		return r.fetchFar(r.sources[p.file], p.dst, p.off)
	}
	m := p.made
	src := make([][]byte, len(m.part.From))
	for i, e := range m.part.From {
		src[i] = make([]byte, e.Len)
		if err := r.fetchFar(r.sources[e.File], src[i], e.Off); err != nil {
			return err
		}
	}
	if err := j.await(); err != nil {
		return err
	}
	m.part.ApplyTo(p.dst, m.off, src)
	return nil
}

// fetchFar reads all of dst.
func (r *Reader) fetchFar(s Source, dst []byte, off int64) error {
	n, err := s.ReadAt(r.reading, dst, off)
	return readError(s, dst, off, n, len(dst), err)
}
