package prefix

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"expertfs/infer"

	"golang.org/x/sys/unix"
)

// A file has one segment:
//
//	offset 0   magic "gptossKV"
//	8          version, uint32
//	12         length of the header, uint32
//	16         key of the model, 16 bytes
//	32         id of the segment, 16 bytes
//	48         id of its parent, 16 bytes, zeros if that is the root
//	64         from, to: uint32 each
//	72         number of parts, uint32
//	76         tokens, uint32 each
//	           checksum of each part, uint32
//	           checksum of the header up to here, uint32
//	           the parts
//
// A part is a layer of the State. Numbers are little-endian, checksums CRC-32C.
const (
	magic       = "gptossKV"
	fileVersion = 1
	fixedHeader = 76
)

// header is what a file says before its parts.
type header struct {
	key      id
	id       id
	parent   id
	from, to int
	ids      []int32
	sums     []uint32 // by part
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn says that a file is not what was written, or is of another version.
var errTorn = errors.New("torn or foreign")

func (h *header) size() int { return fixedHeader + 4*len(h.ids) + 4*len(h.sums) + 4 }

func (h *header) encode() []byte {
	b := append(make([]byte, 0, h.size()), magic...)
	put := func(v int) { b = binary.LittleEndian.AppendUint32(b, uint32(v)) }
	put(fileVersion)
	put(h.size())
	b = append(b, h.key[:]...)
	b = append(b, h.id[:]...)
	b = append(b, h.parent[:]...)
	put(h.from)
	put(h.to)
	put(len(h.sums))
	for _, t := range h.ids {
		put(int(t))
	}
	for _, s := range h.sums {
		put(int(s))
	}
	put(int(crc32.Checksum(b, castagnoli)))
	return b
}

// anyParts is for those who do not know the model.
const anyParts = -1

// readHeader reads the header of a file of so many parts.
func readHeader(f io.ReaderAt, parts int) (*header, error) {
	b := make([]byte, 4096)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if b = b[:n]; len(b) < fixedHeader || !bytes.HasPrefix(b, []byte(magic)) {
		return nil, fmt.Errorf("%w: no header", errTorn)
	}
	word := func(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }
	if v := word(8); v != fileVersion {
		return nil, fmt.Errorf("%w: version %d", errTorn, v)
	}
	h := &header{key: id(b[16:]), id: id(b[32:]), parent: id(b[48:]), from: word(64), to: word(68)}
	tokens, size := h.to-h.from, word(12)
	if parts == anyParts {
		parts = min(word(72), 1<<16)
	}
	if tokens <= 0 || tokens > 1<<24 || word(72) != parts || size != fixedHeader+4*tokens+4*parts+4 {
		return nil, fmt.Errorf("%w: the header's lengths", errTorn)
	}
	if size > len(b) {
		// What is not there gets no memory.
		if b, err = io.ReadAll(io.NewSectionReader(f, 0, int64(size))); err != nil {
			return nil, err
		}
		if len(b) < size {
			return nil, fmt.Errorf("%w: a part of the header", errTorn)
		}
	}
	b = b[:size]
	if crc32.Checksum(b[:size-4], castagnoli) != uint32(word(size-4)) {
		return nil, fmt.Errorf("%w: the header's checksum", errTorn)
	}
	for i := range tokens {
		h.ids = append(h.ids, int32(word(fixedHeader+4*i)))
	}
	for i := range parts {
		h.sums = append(h.sums, uint32(word(fixedHeader+4*tokens+4*i)))
	}
	if newID(h.parent, h.from, h.ids) != h.id {
		return nil, fmt.Errorf("%w: the name of its text", errTorn)
	}
	return h, nil
}

// sumOf is the checksum of a part.
func sumOf(part [][]byte) (sum uint32) {
	for _, piece := range part {
		sum = crc32.Update(sum, castagnoli, piece)
	}
	return sum
}

// errGivenUp says that the writing of a file was given up.
var errGivenUp = errors.New("given up")

// writeSegment writes s and its state to path, where it appears whole or not at
// all. The temporary file lies beside it. Once abort is closed no more is written.
func writeSegment(path string, key id, s *segment, state *infer.State, abort <-chan struct{}) (size int64, err error) {
	h := &header{key: key, id: s.id, parent: s.parent.id, from: s.from, to: s.to, ids: s.ids}
	parts := state.Parts()
	for _, part := range parts {
		h.sums = append(h.sums, sumOf(part))
	}
	err = writeFile(path, func(w io.Writer) error {
		if _, err := w.Write(h.encode()); err != nil {
			return err
		}
		for _, part := range parts {
			for _, piece := range part {
				select {
				case <-abort:
					return errGivenUp
				default:
				}
				if _, err := w.Write(piece); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return int64(h.size()) + int64(lengthOf(parts)), err
}

func lengthOf(parts [][][]byte) (n int) {
	for _, part := range parts {
		for _, piece := range part {
			n += len(piece)
		}
	}
	return n
}

// temporary begins the names of files that are being written.
const temporary = ".writing-"

// writeFile has write fill a file for the user alone, and names it path then.
func writeFile(path string, write func(io.Writer) error) error {
	dir, name := filepath.Split(path)
	f, err := os.CreateTemp(dir, temporary+name+"-*")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// readSegment reads the state of s from the file at path. When ctx ends it returns its
// error, between two layers.
func readSegment(ctx context.Context, path string, key id, s *segment, shape *infer.Shape) (*infer.State, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := readHeader(f, len(shape.Sliding))
	if err != nil {
		return nil, err
	}
	if err := h.check(f, key, shape); err != nil {
		return nil, err
	}
	if h.id != s.id {
		return nil, fmt.Errorf("%w: it has another text", errTorn)
	}
	state := shape.NewState(s.from, s.to)
	at := int64(h.size())
	for n, part := range state.Parts() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if at, err = readPart(f, part, at); err != nil {
			return nil, err
		}
		if sumOf(part) != h.sums[n] {
			return nil, fmt.Errorf("%w: the checksum of part %d", errTorn, n)
		}
	}
	return state, nil
}

// check tells whether the file of h is of the model and as long as it should be.
func (h *header) check(f *os.File, key id, shape *infer.Shape) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case h.key != key:
		return fmt.Errorf("%w: it is of another model", errTorn)
	case info.Size() != int64(h.size())+shape.Bytes(h.from, h.to):
		return fmt.Errorf("%w: its length", errTorn)
	}
	return nil
}

// mostPieces is the most that the kernel takes at once.
const mostPieces = 1024

// readPart fills the pieces of a part from offset at on, and returns the offset
// after it.
func readPart(f *os.File, part [][]byte, at int64) (int64, error) {
	part = append([][]byte(nil), part...)
	for len(part) > 0 {
		n, err := unix.Preadv(int(f.Fd()), part[:min(len(part), mostPieces)], at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return at, &os.PathError{Op: "read", Path: f.Name(), Err: err}
		}
		if n == 0 {
			return at, fmt.Errorf("%w: its end is missing", errTorn)
		}
		at += int64(n)
		for n > 0 && n >= len(part[0]) {
			n -= len(part[0])
			part = part[1:]
		}
		if n > 0 {
			part[0] = part[0][n:]
		}
	}
	return at, nil
}
