package gguf

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"expertfs/checkpoint/source"
)

// magic begins every file.
const magic = "GGUF"

// Limits of what is read. The published models' metadata has 13 million bytes,
// most of them the tokenizer's.
const (
	maxHeader = 256 << 20 // bytes before the tensors' data
	maxDims   = 4
	maxName   = 1 << 10 // bytes of the name of a key or tensor
	maxCount  = 1 << 22 // values of an array, keys, tensors
)

// header is what a file says of itself.
type header struct {
	metadata metadata
	tensors  []tensor // by ascending offset
}

// tensor is a tensor of a file.
type tensor struct {
	name string
	dims []int64 // the fastest first
	kind kind
	off  int64 // bytes from the start of the file
	len  int64 // bytes; -1 when the type is not known
}

// describe spells type and shape, the slowest dimension first.
func (t *tensor) describe() string {
	shape := slices.Clone(t.dims)
	slices.Reverse(shape)
	return fmt.Sprintf("%s%v", t.kind, shape)
}

// readHeader reads the header of a GGUF file. It refuses one in which a tensor
// lies outside the file, overlaps another, or appears twice. Errors are one line,
// and leave naming the file to the caller.
func readHeader(s source.Source) (*header, error) {
	in := &input{
		r:    bufio.NewReaderSize(source.Section(s), 64<<10),
		left: min(s.Size(), maxHeader), cut: s.Size() > maxHeader,
	}
	h, err := in.header(s.Size())
	if err != nil {
		return nil, err
	}
	return h, nil
}

// input is the header of a file as it is read. After an error all that it
// returns is zero.
type input struct {
	r    *bufio.Reader
	left int64 // bytes that may still be read
	read int64
	cut  bool // left is the limit, not the file's end
	err  error
}

func (in *input) header(size int64) (*header, error) {
	if string(in.bytes(int64(len(magic)))) != magic {
		return nil, cmp.Or(in.err, errors.New("not a GGUF file: it does not begin with \"GGUF\""))
	}
	switch version := in.u32(); {
	case in.err != nil:
		return nil, in.err
	case version == 2 || version == 3:
	case version&0xFFFF == 0:
		return nil, errors.New("a big-endian GGUF file: convert it to little-endian")
	default:
		return nil, fmt.Errorf("GGUF version %d, expected 2 or 3: convert the model again", version)
	}
	tensors, keys := in.count(8+4+8+4+8, "tensors"), in.count(8+4+1, "metadata keys")
	if in.err != nil {
		return nil, in.err
	}
	h := &header{metadata: metadata{}}
	for range keys {
		key := in.name()
		v := in.value(valueKind(in.u32()))
		if in.err != nil {
			return nil, fmt.Errorf("metadata key %q: %w", key, in.err)
		}
		if _, twice := h.metadata[key]; twice {
			return nil, fmt.Errorf("metadata key %q appears twice", key)
		}
		h.metadata[key] = v
	}
	names := map[string]bool{}
	for range tensors {
		t, err := in.tensor()
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.name, err)
		}
		if names[t.name] {
			return nil, fmt.Errorf("tensor %q appears twice", t.name)
		}
		names[t.name] = true
		h.tensors = append(h.tensors, t)
	}
	if in.err != nil {
		return nil, in.err
	}
	return h, h.place(in.read, size)
}

// place turns the tensors' offsets into those of the file and checks them.
func (h *header) place(at, size int64) error {
	align := int64(32)
	if v, ok := h.metadata["general.alignment"]; ok {
		n, isInt := v.(int64)
		if !isInt || n < 1 || n > 1<<20 || n&(n-1) != 0 {
			return fmt.Errorf("general.alignment is %v, expected a power of two", v)
		}
		align = n
	}
	start := (at + align - 1) / align * align
	for i := range h.tensors {
		t := &h.tensors[i]
		switch {
		case t.off >= 0 && t.off%align != 0:
			return fmt.Errorf("tensor %q: offset %d is no multiple of the alignment, %d", t.name, t.off, align)
		case t.off < 0 || t.off > size-start || t.len > size-start-t.off:
			return fmt.Errorf("truncated: tensor %q begins at byte %d of the data with %d bytes, the file has %d: download it again",
				t.name, uint64(t.off), t.len, max(0, size-start))
		}
		t.off += start
	}
	slices.SortFunc(h.tensors, func(a, b tensor) int {
		return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.len, b.len), cmp.Compare(a.name, b.name))
	})
	for i := 1; i < len(h.tensors); i++ {
		if p, t := &h.tensors[i-1], &h.tensors[i]; p.len > t.off-p.off {
			return fmt.Errorf("tensor %q overlaps tensor %q", t.name, p.name)
		}
	}
	return nil
}

// tensor reads the description of a tensor.
func (in *input) tensor() (t tensor, err error) {
	t.name = in.name()
	n := in.u32()
	if in.err == nil && (n < 1 || n > maxDims) {
		return t, fmt.Errorf("%d dimensions, expected 1 to %d", n, maxDims)
	}
	for range n {
		t.dims = append(t.dims, int64(in.u64()))
	}
	t.kind = kind(in.u32())
	t.off = int64(in.u64())
	if in.err != nil {
		return t, in.err
	}
	t.len, err = t.kind.length(t.dims)
	return t, err
}

// fail notes the first error.
func (in *input) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

// take accounts for n bytes that are about to be read.
func (in *input) take(n int64) bool {
	switch {
	case in.err != nil:
		return false
	case n > in.left && in.cut:
		in.fail(fmt.Errorf("the header is larger than %d bytes: damaged, or no model", maxHeader))
		return false
	case n > in.left:
		in.fail(fmt.Errorf("truncated: %d bytes are to follow, %d are left: download it again", n, in.left))
		return false
	}
	in.left -= n
	in.read += n
	return true
}

// bytes reads n bytes, which must be in the file.
func (in *input) bytes(n int64) []byte {
	if n < 0 || !in.take(n) {
		in.fail(errors.New("a length is larger than any file"))
		return nil
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(in.r, p); err != nil {
		in.fail(noEOF(err))
		return nil
	}
	return p
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (in *input) skip(n int64) {
	if in.take(n) {
		if _, err := in.r.Discard(int(n)); err != nil {
			in.fail(noEOF(err))
		}
	}
}

// number reads a little-endian number of n bytes.
func (in *input) number(n int) uint64 {
	if !in.take(int64(n)) {
		return 0
	}
	var p [8]byte
	if _, err := io.ReadFull(in.r, p[:n]); err != nil {
		in.fail(noEOF(err))
		return 0
	}
	return binary.LittleEndian.Uint64(p[:])
}

func (in *input) u32() uint32 { return uint32(in.number(4)) }
func (in *input) u64() uint64 { return in.number(8) }

// count reads how many things follow, each of some bytes at least.
func (in *input) count(least int64, what string) int64 {
	n := in.u64()
	if in.err == nil && n > uint64(in.left/least) {
		in.fail(fmt.Errorf("truncated: %d %s cannot be in the %d bytes that are left: download it again", n, what, in.left))
		return 0
	}
	if least > 1 && n > maxCount {
		in.fail(fmt.Errorf("%d %s, expected %d at most", n, what, maxCount))
		return 0
	}
	return int64(n)
}

// text reads a string.
func (in *input) text() string { return string(in.bytes(in.count(1, "bytes of a string"))) }

// name reads the name of a key or a tensor.
func (in *input) name() string {
	n := in.count(1, "bytes of a name")
	if n > maxName {
		in.fail(fmt.Errorf("a name of %d bytes, expected %d at most", n, maxName))
		return ""
	}
	name := string(in.bytes(n))
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		in.fail(fmt.Errorf("the name %q is no text", name))
	}
	return name
}

// decimal returns a float32 as the decimal that it was made of: 1e-5 is no float32,
// and what is meant is 1e-5.
func decimal(bits uint32) float64 { return shortest(math.Float32frombits(bits)) }
