package weights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"expertfs/checkpoint/safetensors"
	"expertfs/infer/kernel"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// stream is a safetensors file that is read once and not kept. It is read with
// O_DIRECT where the filesystem allows that: the bytes are rounded to something
// else, so a copy of them in the page cache, or in a mount's RAM, would be waste.
type stream struct {
	f      *os.File
	size   int64
	header *safetensors.Header
	load   func(bytes int64) // is told what of a matrix is rounded; nil for nobody
}

const (
	// streamAlign suits every drive's O_DIRECT.
	streamAlign = 4096
	// streamPiece is about how many bytes of a matrix are read at a time.
	streamPiece = 4 << 20
)

// openStream opens the file at path and reads its header.
func openStream(path string) (*stream, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) { // some filesystems do without
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	s := &stream{f: f}
	if err := s.readHeader(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *stream) readHeader() error {
	st, err := s.f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("not a regular file")
	}
	s.size = st.Size()
	s.header, err = safetensors.ReadHeader(s, s.size)
	return err
}

// ReadAt implements io.ReaderAt for any offset and memory.
func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	b, err := newAligned(len(p))
	if err != nil {
		return 0, err
	}
	defer b.free()
	got, err := s.read(b, off, len(p))
	return copy(p, got), err
}

// read reads n bytes at off into b, which is at least n bytes large, and
// returns where they lie in it: fewer, with io.EOF, at the end of the file.
func (s *stream) read(b *aligned, off int64, n int) ([]byte, error) {
	from := off / streamAlign * streamAlign
	want := int(off-from) + n
	have := 0
	for have < want {
		// Whole units only: a short read ends at the end of the file.
		to := (want + streamAlign - 1) / streamAlign * streamAlign
		m, err := s.f.ReadAt(b.mem[have:to], from+int64(have))
		have += m
		if err == io.EOF || m == 0 && err == nil {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if have < want {
		return b.mem[min(int(off-from), have):have], io.EOF
	}
	return b.mem[off-from : want], nil
}

// tensor reads a small tensor, and tells which of the dtypes it has.
func (s *stream) tensor(name string, dtypes []string, shape ...int) (data []byte, dtype string, err error) {
	t, err := locate(s.f.Name(), s.header, s.size, name, dtypes, shape)
	if err != nil {
		return nil, "", err
	}
	b := make([]byte, t.Length)
	if _, err := s.ReadAt(b, t.Offset); err != nil {
		return nil, "", s.failed(name, err)
	}
	return b, t.DType, nil
}

// matrix reads a matrix and rounds it to 8 bits, several pieces at a time so that
// the drive works while rows are rounded. I8 matrices have 8 bits already.
func (s *stream) matrix(name string, rows, cols int) (Matrix, error) {
	t, err := locate(s.f.Name(), s.header, s.size, name, matrices, []int{rows, cols})
	if err != nil {
		return nil, err
	}
	var scales *safetensors.Tensor
	if t.DType == "I8" {
		if scales, err = locate(s.f.Name(), s.header, s.size, name+scalesSuffix, []string{"F16"}, scalesShape(rows, cols)); err != nil {
			return nil, err
		}
	}
	q := kernel.NewQ8(rows, cols)
	row := elementSizes[t.DType] * cols
	step := max(16, streamPiece/row/16*16) // rows, as SetRows likes them
	var g errgroup.Group
	var next atomic.Int64 // piece
	for range min(runtime.GOMAXPROCS(0)+1, (rows+step-1)/step) {
		g.Go(func() error {
			b, err := newAligned(step * row) // fresh memory for each piece would cost as much as the reading
			if err != nil {
				return s.failed(name, err)
			}
			defer b.free()
			for {
				lo := int(next.Add(1)-1) * step
				if lo >= rows {
					return nil
				}
				n := min(step, rows-lo) * row
				piece, err := s.read(b, t.Offset+int64(lo)*int64(row), n)
				if err == nil {
					err = s.setRows(q, lo, cols, t.DType, piece, scales)
				}
				if err != nil {
					return s.failed(name, err)
				}
				if s.load != nil {
					s.load(int64(n))
				}
			}
		})
	}
	return q, g.Wait()
}

// setRows rounds rows of a matrix, beginning with row lo; I8 ones get their scales.
func (s *stream) setRows(q *kernel.Q8, lo, cols int, dtype string, rows []byte, scales *safetensors.Tensor) error {
	switch dtype {
	case "BF16":
		q.SetRows(lo, rows)
	case "I8":
		perRow := 2 * (cols / 32)
		own := make([]byte, len(rows)/cols*perRow)
		if _, err := s.ReadAt(own, scales.Offset+int64(lo*perRow)); err != nil {
			return err
		}
		q.SetQ8_0(lo, rows, own)
	default:
		row := elementSizes[dtype] * cols
		for ; len(rows) > 0; lo++ {
			q.SetFloats(lo, decode(dtype, rows[:row]))
			rows = rows[row:]
		}
	}
	return nil
}

func (s *stream) failed(tensor string, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: tensor %s: %w", s.f.Name(), tensor, err)
}

func (s *stream) close() error { return s.f.Close() }

// aligned is memory for O_DIRECT, outside of Go's heap.
type aligned struct{ mem []byte }

// newAligned returns memory for a read of n bytes at any offset.
func newAligned(n int) (*aligned, error) {
	size := (n+streamAlign-1)/streamAlign*streamAlign + 2*streamAlign
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for a read of %d bytes: %w", n, err)
	}
	return &aligned{mem}, nil
}

func (b *aligned) free() { _ = unix.Munmap(b.mem) } // cannot fail for a mapping of our own
