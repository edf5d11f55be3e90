package nvme

import (
	"unsafe"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// maxInputs is how many inputs of a transform the workers' buffers have room for,
// with the ends that alignment adds. Parts with more, or with units larger than a
// chunk, get memory for each piece.
const maxInputs = 4

// made is a piece that a transform makes: whole units of a part.
type made struct {
	part view.Part
	off  int64 // of the job's memory in the view
}

// cutMade makes pieces of a part with a transform, of about a chunk of input
// each. Units of which the job wants some bytes only are made whole.
func (j *Job) cutMade(p *view.Part, dst []byte, off int64) {
	first, last := p.Covering(off, off+int64(len(dst)))
	if first == last {
		return
	}
	lane, chunk := driveLane, j.r.chunk
	for _, e := range p.From {
		j.uses(e.File)
		if !source.Near(j.r.sources[e.File], e.Off, e.Len) {
			lane, chunk = networkLane, j.r.farChunk
		}
	}
	units := last - first
	most := max(1, chunk/p.Transform.UnitBytes()) // in a piece
	count := (units + most - 1) / most
	for i := range count {
		sub := p.Sub(first+units*i/count, first+units*(i+1)/count)
		j.pieces[lane] = append(j.pieces[lane], piece{dst: dst, made: &made{sub, off}})
	}
}

// transform reads the inputs of a piece into buf and has them made into its place.
func (r *Reader) transform(buf []byte, j *Job, p piece) error {
	m := p.made
	var need int64
	for _, e := range m.part.From {
		align, _ := r.sources[e.File].Align()
		need += roundUp(roundUp(e.Off+e.Len, align)-e.Off/align*align, sector)
	}
	if need > int64(len(buf)) {
		buf = alignedMemory(need)
	}
	src := make([][]byte, len(m.part.From))
	for i, e := range m.part.From {
		var err error
		if src[i], buf, err = r.superset(buf, e); err != nil {
			return err
		}
	}
	if err := j.await(); err != nil {
		return err
	}
	m.part.ApplyTo(p.dst, m.off, src)
	return nil
}

// alignedMemory returns n bytes that begin on a page.
func alignedMemory(n int64) []byte {
	memory := make([]byte, n+sector)
	skip := -uintptr(unsafe.Pointer(&memory[0])) % sector
	return memory[skip:][:n]
}
