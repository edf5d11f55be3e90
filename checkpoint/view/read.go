package view

import (
	"fmt"
	"io"
)

// ReadAt reads len(p) bytes of the view from off on, in the plainest way: one
// read after the other, of files that need no alignment. The range must lie in
// the view. It is for tools and tests; the NVMe tier reads faster.
func (v *View) ReadAt(files []io.ReaderAt, p []byte, off int64) error {
	if off < 0 || off+int64(len(p)) > v.size {
		return fmt.Errorf("read of %d bytes at %d in a file of %d", len(p), off, v.size)
	}
	if off < int64(len(v.Header)) {
		copy(p, v.Header[off:])
	}
	for _, part := range v.Parts {
		if err := part.readAt(files, p, off); err != nil {
			return err
		}
	}
	return nil
}

// readAt reads what of dst, the bytes of the view from off on, is of the part.
func (p *Part) readAt(files []io.ReaderAt, dst []byte, off int64) error {
	end := off + int64(len(dst))
	if p.Transform == nil {
		e, to := p.From[0], p.To[0]
		from, until := max(off, to.Off), min(end, to.Off+to.Len)
		if from >= until {
			return nil
		}
		return readFull(files[e.File], dst[from-off:until-off], e.Off+from-to.Off)
	}
	first, last := p.Covering(off, end)
	if first == last {
		return nil
	}
	sub := p.Sub(first, last)
	src := make([][]byte, len(sub.From))
	for i, e := range sub.From {
		src[i] = make([]byte, e.Len)
		if err := readFull(files[e.File], src[i], e.Off); err != nil {
			return err
		}
	}
	sub.ApplyTo(dst, off, src)
	return nil
}

// readFull fills p from offset off.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read of %d bytes at %d: %w", len(p), off, err)
}
